//! A view of the state that follows a feed and knows its age.
