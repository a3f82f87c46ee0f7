//! What a principal may do on a resource.
