//! Logs, metrics, health, shutdown.
