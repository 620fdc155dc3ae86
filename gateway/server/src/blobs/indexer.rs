//! The background worker of the audio index: looks at what is pending or doubtful, and writes down what it found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::Blobs;
use super::examine::{Examiner, Verdict};
use super::index::Task;
use super::record::Entry;
use super::store::StoreError;
use super::{table, unblocked};
use crate::catalogue::site::AudioSource;
use crate::drupal::Storage;

/// How many sources are looked at at once: one that reads while another counts.
const AT_ONCE: usize = 2;
/// How many sources are taken out of the queue at once.
const TASKS: usize = 256;
/// What was found is published at least this often.
const PUBLISH: Duration = Duration::from_secs(1);

impl Blobs {
    /// Looks at sources as they come in, for as long as it is polled. It may be dropped at any moment: what was not written down is looked at
    /// again after the next start.
    /// One at a time may run on a `data_dir`.
    pub async fn run_indexer(&self) {
        let store = self.store.clone();
        if let Err(error) = unblocked(move || store.clear()).await.map_err(StoreError::from).flatten() {
            tracing::warn!(%error, "what was left of copies half made could not be removed");
        }
        loop {
            let work = self.index.work.notified();
            let Some(storage) = self.storage.load_full() else {
                work.await;
                continue;
            };
            let (tasks, due) = self.index.take_tasks(TASKS);
            if !tasks.is_empty() {
                self.examine_all(tasks, &storage).await;
                continue;
            }
            match due {
                Some(due) => tokio::select! {
                    () = work => {}
                    () = tokio::time::sleep_until(due.into()) => {}
                },
                None => work.await,
            }
        }
    }

    async fn examine_all(&self, tasks: Vec<Task>, storage: &Arc<Storage>) {
        let examiner = Examiner { index: &self.index, store: &self.store, reader: &self.reader, storage };
        let mut verdicts = stream::iter(tasks)
            .map(|task| async move {
                let verdict = examiner.examine(&task).await;
                if let Verdict::Found(entry) = &verdict {
                    self.render_if_few_wait(&task.source, entry).await;
                }
                (task.source, verdict)
            })
            .buffer_unordered(AT_ONCE);
        let mut found = Vec::new();
        let mut published = Instant::now();
        while let Some((source, verdict)) = verdicts.next().await {
            match verdict {
                Verdict::Found(entry) => found.push((source, entry)),
                Verdict::Same => {}
                Verdict::Later { seen, delay } => self.index.postpone(&source, seen, delay),
            }
            if published.elapsed() >= PUBLISH && !found.is_empty() {
                self.write_down(std::mem::take(&mut found)).await;
                published = Instant::now();
            }
        }
        if !found.is_empty() {
            self.write_down(found).await;
        }
    }

    /// First the table, then the memory: what the feed names is known after a restart.
    async fn write_down(&self, found: Vec<(AudioSource, Entry)>) {
        let mut pause = Duration::from_secs(1);
        while let Err(error) = table::save(&self.pool, &self.index, &found).await {
            tracing::warn!(%error, sources = found.len(), "what was found out about audio cannot be written down yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        self.index.learn(&found);
    }
}
