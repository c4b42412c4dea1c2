"""The interceptor chain: one concern a file, put in order by `chain`."""
