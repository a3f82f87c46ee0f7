//! Sends one HTTP request over a connection of its own.

use std::time::Duration;

use super::tls::connect;

/// Returns status and body. `None`: the server doesn't answer.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    send(address, &format!("GET {path}"), "")
}

/// Posts a JSON body, and returns status and body of the answer.
pub fn post(address: &str, path: &str, body: &str) -> Option<(u16, String)> {
    send(address, &format!("POST {path}"), body)
}

fn send(address: &str, what: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = connect(address, Duration::from_secs(5)).ok()?;
    let request = format!(
        "{what} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
