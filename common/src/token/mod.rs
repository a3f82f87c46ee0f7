//! What makes a token genuine.
