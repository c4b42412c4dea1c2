-- The heads that were published stay; what they prove cannot be checked any more.
DROP TABLE sealed_transactions, seal_blocks, seal_chains;
