DROP TABLE relay_topics, relays, relay_parts;
