/** What a Dockerfile leaves behind that a translation of it loses easily: owners, times, links on the way, mount points, /tmp. */
import type { ContextFile } from './builder-case.js';
import type { ImageCase } from './image-cases.js';

/** Path, kind, mode, owners and target of the link of everything below. */
const TREE = '-printf "%p %y %m %U:%G %l\\n" | LC_ALL=C sort';
const TIMES = '-printf "%p %T@\\n" | LC_ALL=C sort';

const text = (content: string, mode = 0o644): ContextFile => ({ text: content, mode });

const FILES: Readonly<Record<string, ContextFile>> = {
  'd/a': text('a\n'),
  'd/b': text('b\n', 0o755),
  'd/sub/c': text('c\n'),
  file: text('file\n'),
};

export const KEPT_CASES: readonly ImageCase[] = [
  {
    name: 'owners, modes, links and times of what is copied from another stage',
    dockerfile: `FROM debian:bookworm-slim AS b
RUN useradd -u 1700 svc && mkdir -p /srv/app/deep/er && cd /srv/app && echo secret > s && echo dot > .dot && touch deep/er/x \\
 && ln -s s l && ln -s l l2 && ln s hard && chown -R svc . && chown -h svc:5 l && chown 7:8 deep/er/x && chmod 600 s && chmod 2750 deep \\
 && touch -h -d '2010-01-01 00:00:00.25' s l deep/er && ln -s /srv/app /front
FROM debian:bookworm-slim
RUN useradd -u 1700 svc
COPY --from=b /srv/app /srv/app
COPY --from=b /srv/app/s /one
COPY --from=b /srv/app/l2 /followed/
COPY --from=b --chown=svc /srv/app /chowned
COPY --from=b --chown=9:8 --chmod=640 /srv/app/s /numbered
COPY --from=b /srv/app/* /globbed/
COPY --from=b /front/[sd]* /front/deep/er/x /fronted/
RUN --mount=type=bind,from=b,source=/srv/app,target=/mnt stat -c '%n %u:%g %a' /mnt/s /mnt/deep/er/x > /seen
USER svc
`,
    look: `cd / && find srv/app one followed chowned numbered globbed fronted ${TREE}; cat /seen /srv/app/s; stat -c %h /srv/app/s; find /srv/app/s /srv/app/l /srv/app/deep/er /one -maxdepth 0 ${TIMES}`,
  },
  {
    name: 'COPY to where a link stands goes where the link goes',
    dockerfile: `FROM debian:bookworm-slim
RUN mkdir /real /dest && echo old > /real/file && ln -s /real/file /target && ln -s /nowhere/x/y /dangling && ln -s /nodir /dirlink \\
 && ln -s /real/file /dest/a && ln -s ../real/file /dest/up && ln -s real /relative
COPY d/a /target
COPY d/a /dangling
COPY d/b /dirlink/q
COPY d/a d/b /dest/
COPY d/sub /relative
COPY d/sub /dirlink/more/
COPY --chown=nobody d/b /dest/up
`,
    files: FILES,
    look: `cd / && find target real dest dangling nowhere dirlink nodir relative ${TREE}; cat /real/file /dest/a /nowhere/x/y`,
  },
  {
    name: 'mount points that a RUN makes stay behind, empty',
    dockerfile: `FROM debian:bookworm-slim
RUN mkdir -p /full/there && chmod 711 /full && echo kept > /full/there/file && ln -s /full /link
RUN --mount=type=bind,target=/ctx --mount=type=bind,source=d,target=/mnt/d --mount=type=tmpfs,target=/app/t --mount=type=cache,target=/var/cache/foo \\
 --mount=type=bind,source=file,target=/single/one/file --mount=type=bind,source=file,target=/etc/issue.net --mount=type=tmpfs,target=/full \\
 --mount=type=bind,source=d,target=/app/t/within ls /ctx/d /mnt/d /app/t /single/one /full > /seen && cat /single/one/file /etc/issue.net >> /seen
RUN --mount=type=bind,source=d,target=/link/sub ls /full > /linked; ls /full/sub >> /linked
`,
    files: FILES,
    look: `cat /seen /linked /etc/issue.net; find /ctx /mnt /app /var/cache/foo /single /full /link ${TREE}`,
  },
  {
    name: 'what a Dockerfile puts into /tmp is there',
    dockerfile: `FROM debian:bookworm-slim AS b
RUN echo tool > /tmp/tool && chmod 755 /tmp/tool && chown 5:6 /tmp/tool
FROM debian:bookworm-slim
COPY --from=b /tmp/tool /usr/local/bin/tool
COPY d /tmp/d
RUN mkdir -m 700 /tmp/made && echo hidden > /tmp/.hidden && ln -s made /tmp/link && touch -d 2011-01-01 /tmp/.hidden
RUN cat /tmp/.hidden /tmp/d/a > /seen && rm /tmp/d/b
WORKDIR /tmp/work
`,
    files: FILES,
    look: `cat /seen /usr/local/bin/tool /tmp/.hidden; pwd; find /usr/local/bin/tool /tmp/d /tmp/made /tmp/link /tmp/work /tmp/.hidden -printf "%p %y %m %U:%G %l\\n" | LC_ALL=C sort; stat -c "%a %n" /tmp; find /tmp/.hidden ${TIMES}`,
  },
  {
    name: 'ONBUILD of a stage of its own takes from the context',
    dockerfile: `FROM debian:bookworm-slim AS parent
ONBUILD COPY d /onbuild/d
ONBUILD ADD file /onbuild/
ONBUILD RUN cat /onbuild/d/a > /onbuild/ran
FROM parent
RUN ls /onbuild > /seen
`,
    files: { ...FILES, 'd/empty': { dir: true, mode: 0o700 }, 'd/link': { link: 'a' } },
    look: `cat /seen /onbuild/ran; find /onbuild ${TREE}`,
  },
  {
    name: 'ADD with a pattern beside an archive that it does not match',
    dockerfile: 'FROM debian:bookworm-slim\nADD fil* /globbed/\nADD d/[ab] /lettered/\n',
    files: FILES,
    setup: 'tar -czf a.tar.gz file && cp a.tar.gz d/z.tgz',
    look: `find /globbed /lettered ${TREE}`,
  },
];

/** Modification times of the context's own files; those of directories that hold something depend on the transfer, in Docker too. */
export const CONTEXT_TIMES: ImageCase = {
  name: 'files of the context keep their times',
  dockerfile: 'FROM debian:bookworm-slim\nCOPY . /all/\nCOPY file /named\nADD d /added\n',
  files: { ...FILES, 'd/link': { link: 'a' }, 'd/empty': { dir: true, mode: 0o755 } },
  setup: "touch -h -d '2011-02-03 04:05:06.5' d/a d/link d/sub/c d/empty file",
  look: `find /all/d/a /all/d/link /all/d/sub/c /all/d/empty /named /added/a ${TIMES}`,
};
