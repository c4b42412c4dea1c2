DROP TABLE analytics_freshness, analytics_payments, analytics_daily_totals, inbox;
