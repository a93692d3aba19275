/** Work that is done once for all who ask. */

/** The same promise for everybody, until it fails: then the next one tries again. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => {
    if (running !== null) return running;
    const started = work();
    running = started;
    started.catch(() => {
      running = null;
    });
    return started;
  };
}
