//! Sends the pieces: several at a time, each until the service has it.

use super::super::chunks::{Chunk, Chunks};
use super::progress::{Done, Summary};
use crate::cli::client::Client;
use crate::cli::target::Target;
use crate::clock::{Clock, Started};
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two tries: at first, and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Where pieces go, and how they are sent.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) target: Target,
    pub(super) connections: u8,
    pub(super) patience: Duration,
    pub(super) clock: Clock,
}

type Sent = Result<(Client, Done), String>;

impl Upload {
    /// Sends all pieces; `done` is told of each in their order, behind which there is no gap.
    pub(super) async fn run(
        &self,
        chunks: &mut Chunks,
        mut done: impl FnMut(Done) -> Result<(), String> + Send,
    ) -> Result<(), String> {
        let mut idle: Vec<Client> = (0..self.connections).map(|_| Client::new(self.target.clone())).collect();
        let mut under_way: VecDeque<JoinHandle<Sent>> = VecDeque::new();
        loop {
            while let Some(client) = idle.pop() {
                let Some(chunk) = chunks.next().map_err(|error| error.to_string())? else { break };
                under_way.push_back(tokio::spawn(self.clone().send(client, chunk)));
            }
            let Some(oldest) = under_way.pop_front() else { return Ok(()) };
            let (client, piece) = oldest.await.map_err(|error| error.to_string())??;
            idle.push(client);
            done(piece)?;
        }
    }

    /// Tries until it is done, is refused, or patience ends.
    async fn send(self, mut client: Client, chunk: Chunk) -> Sent {
        let mut failing: Option<Started> = None;
        let mut pause = PAUSE;
        loop {
            let failure = match client.call(request(&chunk)?).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    let summary: Summary = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                    let Chunk { text, first_line, lines } = chunk;
                    return Ok((client, Done { bytes: text.len() as u64, first_line, lines, summary }));
                }
                Ok(answer) if answer.is_passing() => answer.problem(),
                Ok(answer) => return Err(answer.problem()),
                Err(error) => error.to_string(),
            };
            if failing.get_or_insert_with(|| self.clock.start()).elapsed() + pause > self.patience {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn request(chunk: &Chunk) -> Result<Request<Full<bytes::Bytes>>, String> {
    let request = Request::post("/v1/import").header(CONTENT_TYPE, "application/x-ndjson");
    request.body(Full::new(chunk.text.clone())).map_err(|error| error.to_string())
}
