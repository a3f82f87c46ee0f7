//! takeaway
