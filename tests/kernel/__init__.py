"""The kernel, on both databases: claims, timers, deliveries, the inbox, keyed requests and promises."""
