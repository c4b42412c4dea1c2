"""The whole stack on one machine: embedded services, PayFlow's processes and their supervisor."""
