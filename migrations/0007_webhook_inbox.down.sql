DROP INDEX psp_accounts_endpoints;
DROP TABLE webhook_inbox;
