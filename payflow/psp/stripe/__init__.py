"""Stripe as a PSP: its PaymentIntents and Refunds, through the official library."""
