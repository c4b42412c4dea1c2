DROP TABLE webhook_refusals, webhook_deliveries, webhook_endpoints;
ALTER TABLE installation DROP COLUMN webhook_key;
