ALTER TABLE payment_intents DROP COLUMN experiment_id, DROP COLUMN experiment_arm, DROP COLUMN routing_cost;
ALTER TABLE psp_accounts DROP COLUMN cost_bps, DROP COLUMN cost_fixed;
DROP TABLE routing_experiments, routing_rules;
