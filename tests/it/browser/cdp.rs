//! The protocol: JSON commands with an id out, their answers and events in, over one WebSocket.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// How long one command may take; a page that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Connection {
    socket: WebSocket<TcpStream>,
    last_id: u64,
    /// Errors that pages reported on their own.
    pub complaints: Vec<String>,
}

impl Connection {
    /// `path` as in the file `DevToolsActivePort`.
    pub fn open(port: u16, path: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        // Screenshots and pixels come as one message.
        let limits = WebSocketConfig::default().max_message_size(Some(256 << 20)).max_frame_size(Some(256 << 20));
        let address = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client::client_with_config(address, stream, Some(limits))
            .expect("the browser speaks WebSocket");
        Self { socket, last_id: 0, complaints: Vec::new() }
    }

    /// Sends a command and waits for its answer; events that come before it are looked at.
    pub fn command(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(command.to_string())).expect("the browser listens");
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{method}: no answer from the browser");
            let message = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).expect("the browser speaks JSON");
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                let details = &parameters["exceptionDetails"];
                let what = details["exception"]["description"].as_str().or(details["text"].as_str());
                self.complaints.push(format!("uncaught: {}", what.unwrap_or("?")));
            }
            Some("Runtime.consoleAPICalled") if matches!(parameters["type"].as_str(), Some("error" | "assert")) => {
                let words: Vec<String> = parameters["args"].as_array().into_iter().flatten().map(said).collect();
                self.complaints.push(format!("console: {}", words.join(" ")));
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                let entry = &parameters["entry"];
                // How a page learns that nobody is signed in yet.
                if entry["text"].as_str().is_some_and(|text| text.contains("401")) {
                    return;
                }
                self.complaints.push(format!("log: {} {}", entry["text"], entry["url"]));
            }
            _ => {}
        }
    }
}

fn said(argument: &Value) -> String {
    match (&argument["value"], &argument["description"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (value, _) => value.to_string(),
    }
}
