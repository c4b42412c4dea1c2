DROP TABLE installation, psp_accounts, merchants;
