DROP TABLE texts, events;
DROP FUNCTION require_serializable, refuse_change;
