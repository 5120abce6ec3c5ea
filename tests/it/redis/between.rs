//! Stands before a server: hands on what it says so much later, and what it is asked in other words.

use crate::support::redis::RedisServer;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) struct Between {
    port: u16,
    pub(super) delay_ms: Arc<AtomicU64>,
}

impl Between {
    /// `reword` gets what arrives at a time, which is whole commands, as small as they are here.
    pub(super) fn new(server: &RedisServer, reword: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port);
        let (delay_ms, reword) = (Arc::new(AtomicU64::new(0)), Arc::new(reword));
        let delay = Arc::clone(&delay_ms);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to))) else { return };
                let [client_too, server_too] = [&client, &server].map(|stream| stream.try_clone().unwrap());
                let (delay, reword) = (Arc::clone(&delay), Arc::clone(&reword));
                std::thread::spawn(move || hand_on(client, server, |asked| reword(asked)));
                std::thread::spawn(move || {
                    hand_on(server_too, client_too, |said| {
                        // The fault itself.
                        std::thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
                        said
                    });
                });
            }
        });
        Self { port, delay_ms }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&change(buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}
