//! Writes an answer of the feed piece by piece, as lines in the encoding that was agreed on or as server-sent events, so that each piece can
//! be read by the client as soon as it arrives.

use std::io::{self, BufRead as _, BufReader, Cursor as Bytewise, Read};

use audiospread_protocol::{Cursor, End, Line};
use bytes::Bytes;

use super::follow::Sink;
use super::press::Encoder;
use crate::feed::Body;

/// Bytes that are sent at once.
const PIECE: usize = 64 * 1024;

/// How a reader is written to.
pub(super) enum Writer {
    /// As the lines of the feed.
    Lines(Encoder),
    /// As server-sent events: `change`, `end`, `heartbeat`, with the line as data. Only `end` has an id, the cursor: whoever comes back with
    /// it has the whole batch.
    Events,
}

impl Writer {
    /// Writes a finished batch of lines. Reading it may block, so it is done apart.
    pub(super) async fn batch(self, body: Body, sink: Sink) -> io::Result<Self> {
        tokio::task::spawn_blocking(move || self.write_batch(body, &sink)).await.map_err(io::Error::other)?
    }

    /// Says that the gateway is there and nothing came.
    pub(super) async fn heartbeat(&mut self, cursor: &Cursor, sink: &Sink) -> io::Result<()> {
        let mut line = Vec::new();
        Line::Heartbeat(*cursor).write_to(&mut line)?;
        let piece = match self {
            Self::Lines(encoder) => encoder.flushed(&line)?,
            Self::Events => event(&line).into(),
        };
        send(sink, piece).await
    }

    /// Says that nothing came, and ends the answer.
    pub(super) async fn last(self, end: &End, sink: &Sink) -> io::Result<()> {
        let mut line = Vec::new();
        Line::End(end.clone()).write_to(&mut line)?;
        let piece = match self {
            Self::Lines(encoder) => encoder.finished(&line)?,
            Self::Events => event(&line).into(),
        };
        send(sink, piece).await
    }

    /// Ends the answer after a batch.
    pub(super) async fn close(self, sink: &Sink) -> io::Result<()> {
        match self {
            Self::Lines(encoder) => send(sink, encoder.finished(b"")?).await,
            Self::Events => Ok(()),
        }
    }

    fn write_batch(mut self, body: Body, sink: &Sink) -> io::Result<Self> {
        let mut lines: Box<dyn io::BufRead> = match body {
            Body::Memory(bytes) => Box::new(Bytewise::new(bytes)),
            Body::File(file) => Box::new(BufReader::with_capacity(PIECE, file)),
        };
        match &mut self {
            Self::Lines(encoder) => loop {
                let mut piece = Vec::with_capacity(PIECE);
                if lines.by_ref().take(PIECE as u64).read_to_end(&mut piece)? == 0 {
                    break;
                }
                blocking_send(sink, encoder.flushed(&piece)?)?;
            },
            Self::Events => {
                let (mut events, mut line) = (Vec::new(), Vec::new());
                while lines.read_until(b'\n', &mut line)? > 0 {
                    events.append(&mut event(&line));
                    line.clear();
                    if events.len() >= PIECE {
                        blocking_send(sink, std::mem::take(&mut events).into())?;
                    }
                }
                blocking_send(sink, events.into())?;
            }
        }
        Ok(self)
    }
}

/// A line of the feed as an event.
fn event(line: &[u8]) -> Vec<u8> {
    let mut event = match Line::read(line) {
        Ok(Line::Heartbeat(_)) => b"event: heartbeat\n".to_vec(),
        Ok(Line::End(end)) => format!("event: end\nid: {}\n", end.cursor).into_bytes(),
        _ => b"event: change\n".to_vec(),
    };
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(line.trim_ascii_end());
    event.extend_from_slice(b"\n\n");
    event
}

/// A piece that nobody takes any more ends the writing, and is no fault: the reader has left.
async fn send(sink: &Sink, piece: Bytes) -> io::Result<()> {
    if !piece.is_empty() {
        let _ = sink.send(Ok(piece)).await;
    }
    Ok(())
}

fn blocking_send(sink: &Sink, piece: Bytes) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    sink.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
}
