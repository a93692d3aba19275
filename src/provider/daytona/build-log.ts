/** The log of a build, followed beside it. Without it a failed build has only its reason: to get none is no failure. */
import type { PrepareContext } from '../../model/provider.js';
import { sleep } from '../../util/deadline.js';
import type { Cloud } from './calls.js';

export interface HeardLog {
  text(): string;
  /** Waits a little for what is still on its way. */
  ended(): Promise<void>;
  stop(): void;
}

const LIMIT = 256 * 1024;
const LAST_WORDS_MS = 5_000;

export function followBuildLog(cloud: Cloud, snapshotId: string, ctx: PrepareContext): HeardLog {
  const stopped = new AbortController();
  const signal = AbortSignal.any([stopped.signal, ctx.signal]);
  let text = '';
  const follow = async () => {
    const options = { timeout: cloud.requestTimeoutMs, signal };
    const { data } = await cloud.client.snapshotsApi.getSnapshotBuildLogsUrl(snapshotId, undefined, options);
    const response = await cloud.client.fetch(`${data.url}?follow=true`, { headers: cloud.client.headers, signal });
    if (!response.ok || response.body === null) return;
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      const words = decoder.decode(chunk, { stream: true });
      if (text.length < LIMIT) text += words;
      ctx.onLog(words);
    }
  };
  const following = follow().catch(() => undefined); // the build itself says how it ended
  return {
    text: () => text,
    async ended() {
      await Promise.race([following, sleep(LAST_WORDS_MS, ctx.signal)]);
    },
    stop: () => stopped.abort(),
  };
}
