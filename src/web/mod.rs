//! HTTP: the application's files and, beside them, what it asks the server.

pub mod assets;
