//! Store and Feed.
