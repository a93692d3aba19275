/** Dockerfiles that mean the same on every provider as in a local build, with the context that they take from. */
import type { ContextFile } from './builder-case.js';

export interface ImageCase {
  readonly name: string;
  readonly dockerfile: string;
  readonly files?: Readonly<Record<string, ContextFile>>;
  /** A shell script that makes what `files` cannot, run in the context. */
  readonly setup?: string;
  /** Shell whose output must be the same in a sandbox of either image. */
  readonly look: string;
}

/** Path, kind, mode, owners and target of the link of everything below. */
const TREE = '-printf "%p %y %m %U:%G %l\\n" | LC_ALL=C sort';
const UNTIL_ENTERED =
  'i=0; while [ ! -e /tmp/entered ] && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1; done; cat /tmp/entered';

const text = (content: string, mode = 0o644): ContextFile => ({ text: content, mode });

/** What no provider's own way of sending a context keeps: links, empty directories, modes. */
const HARD: Readonly<Record<string, ContextFile>> = {
  'tree/link': { link: 'sub/b' },
  'tree/dangling': { link: '/nowhere' },
  'tree/empty': { dir: true, mode: 0o700 },
  'empty/inside': { dir: true, mode: 0o755 },
};

const FILES: Readonly<Record<string, ContextFile>> = {
  'one.txt': text('one\n'),
  'two.txt': text('2'),
  'with space.md': text('s'),
  'grüße.md': text('ü'),
  'skip.log': text('no'),
  'keep.log': text('yes'),
  '.hidden': text('h'),
  'tree/a': text('a', 0o755),
  'tree/sub/b': text('b'),
  'tree/sub/skip.log': text('below'),
  '.dockerignore': text('*.log\n!keep.log\nDockerfile\n'),
};

const COPY: ImageCase = {
  name: 'COPY: patterns, directories, modes, owners, names, .dockerignore',
  dockerfile: `FROM debian:bookworm-slim
RUN useradd -m -u 1600 owner && mkdir /there && chmod 711 /there && ln -s /there /front
COPY *.txt /txt/
COPY t[a-w]o.t?t /class/
COPY tree /tree
COPY tree/a one.txt /mixed/
copy one.txt /renamed
COPY \\
  one.txt /there
COPY --chmod=640 --chown=owner one.txt /owned/file
COPY --chown=77:88 tree /numbered
COPY tree /front/sub
COPY ["with space.md", "grüße.md", "/spaced dir/"]
COPY . /all
`,
  files: FILES,
  look: `cd / && find txt class tree mixed renamed there owned numbered "spaced dir" all ${TREE}; cat /all/one.txt /all/tree/sub/b /spaced*/g*`,
};

/** A user could write each of them; together they hold every instruction of the reference suites. */
export const IMAGE_CASES: readonly ImageCase[] = [
  {
    name: 'escapes, blanks and heredocs of RUN stay as they are',
    dockerfile: `FROM debian:bookworm-slim
RUN printf 'a\\tb\\n  two  blanks\\n' > /one
RUN <<EOF
cat > /two <<'INNER'
  indented $HOME \\n
INNER
echo done >> /two
EOF
RUN <<-'EOF' cat > /three
\t\ttabs go $HOME
EOF
RUN ["/bin/sh", "-c", "echo \\"exec form $0\\" > /four"]
`,
    look: 'cat /one /two /three /four',
  },
  {
    name: 'lines of a heredoc are no instructions',
    dockerfile: `FROM debian:bookworm-slim
RUN cat > /script <<'EOF'
COPY nothing /nowhere
FROM nothing
EOF
COPY <<EOF /inline
written here
EOF
COPY --chmod=750 --chown=5:6 <<'first' <<"second" /both/
$HOME \\n
first
second's
second
`,
    look: `cat /script /inline /both/*; find /inline /both ${TREE}`,
  },
  {
    name: 'ENV, ARG, SHELL, WORKDIR and USER reach RUN and the sandbox',
    dockerfile: `ARG TAG=bookworm-slim
FROM debian:$TAG
ARG WHAT=arg
ENV A="x y" B=plain PATH=/opt/bin:$PATH C='a$b' D=\${WHAT}-\${B:-none}
RUN useradd -m -u 1500 worker
WORKDIR /work/deep
RUN echo "$A|$B|$C|$D|$WHAT|$PWD|$(id -u)|$HOME" > /seen
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN [[ -n $A ]] && echo "$BASH_VERSION" | cut -c1 > /shell
USER worker
WORKDIR mine
RUN id -un > made && umask > mask
COPY --chown=worker tree tree
ENTRYPOINT ["/bin/sh", "-c", "pwd > /tmp/entered; id -un >> /tmp/entered; exec \\"$@\\"", "entry"]
`,
    files: FILES,
    look: `cat /seen /shell made mask; pwd; id; echo "$A|$C|$D|$PATH|$WHAT|$HOME"; stat -c "%U %a" /work /work/deep /work/deep/mine; find tree ${TREE}; ${UNTIL_ENTERED}`,
  },
  COPY,
  {
    ...COPY,
    name: 'the same with links and empty directories',
    dockerfile: `${COPY.dockerfile}COPY empty /empty\nCOPY tree/link /followed\n`,
    files: { ...FILES, ...HARD },
    look: `${COPY.look}; find /empty /followed ${TREE}; cat /followed`,
  },
  {
    name: 'ADD: files, directories, an archive that is unpacked',
    dockerfile: `FROM debian:bookworm-slim
ADD one.txt /added
ADD --chown=7:8 one.txt two.txt /several/
ADD tree /tree/
ADD packed.tar.gz /unpacked/
COPY packed.tar.gz /packed/
`,
    files: { ...FILES, ...HARD },
    setup:
      'mkdir p && echo in > p/in && chmod 640 p/in && tar -C p --owner 5 --group 6 -czf packed.tar.gz in && rm -r p',
    look: `cd / && find added several tree unpacked ${TREE}; ls packed; cat unpacked/in`,
  },
  {
    name: 'RUN --mount: bind from the context and from a stage, cache, tmpfs, an absent secret',
    dockerfile: `FROM debian:bookworm-slim AS other
RUN mkdir /made && echo stage > /made/file
FROM debian:bookworm-slim
RUN mkdir /full && echo kept > /full/file
RUN --mount=type=bind,target=/context --mount=type=bind,from=other,source=/made,target=/full --mount=type=tmpfs,target=/scratch/deep --mount=type=cache,target=/var/cache/x --mount=type=secret,id=none \\
 cat /context/one.txt /full/file > /scratch/deep/x && cp /scratch/deep/x /seen && touch /var/cache/x/y; ls /run/secrets 2>&1 | wc -l >> /seen
RUN --mount=type=bind,source=tree,target=/mnt cat /mnt/a /mnt/link > /bound && find /mnt -printf "%P %y %m %l\\n" | LC_ALL=C sort >> /bound
`,
    files: { ...FILES, ...HARD },
    look: 'cat /seen /bound /full/file; ls /mnt; find /context /scratch /var/cache/x -type f 2>/dev/null | wc -l',
  },
  {
    name: 'several stages: FROM a stage, COPY --from a stage by name and by number',
    dockerfile: `ARG TAG=bookworm-slim
FROM debian:$TAG AS base
RUN echo base > /base
FROM base AS build
RUN mkdir /out && echo built > /out/file && ln -s file /out/link && chmod 750 /out/file
COPY one.txt /out/one
FROM base
COPY --from=build /out /result
COPY --from=0 /base /copy-of-base
COPY --from=1 /out/one /one
RUN cat /base /result/link > /seen
`,
    files: FILES,
    look: 'cat /seen /copy-of-base /one; stat -c "%n %F %a" /result/file; readlink /result/link',
  },
];

/** Patterns of ADD; not every builder can be told them. */
export const ADD_PATTERN: ImageCase = {
  name: 'ADD with a pattern',
  dockerfile: 'FROM debian:bookworm-slim\nADD *.txt /globbed/\n',
  files: FILES,
  look: `find /globbed ${TREE}; cat /globbed/*`,
};
