/** What a probe pod runs: a shell script that tries many connections with whatever client the image has. */
import type { Attempt } from '../pod-protocol.ts';
import type { Seen } from '../probe-compare.ts';

/** Clients that the script knows, in the order in which it looks for them. */
export const CLIENTS = ['agnhost', 'nc', 'bash', 'python3', 'curl', 'wget'] as const;

/** Attempts at a time within one pod: a client is a process, and pods are small. */
export const PARALLEL_IN_POD = 16;

/** Attempts in one command: they travel in the address of a request. */
export const ATTEMPTS_PER_COMMAND = 64;

// Each attempt is four arguments: number, tcp or udp, host, port. Each ends in one line: number, word, what the client said.
const SCRIPT = `
t=$1; par=$2; shift 2
has() { command -v "$1" >/dev/null 2>&1; }
c=none
if [ -x /agnhost ]; then c=agnhost
elif has nc && nc -h 2>&1 | grep -q -e '-z'; then c=nc; connect() { nc -z -w "$1" "$2" "$3"; }
elif has nc && nc -h 2>&1 | grep -q -e '-e PROG'; then c=nc; connect() { nc -w "$1" "$2" "$3" -e true; }
elif has bash && has timeout; then c=bash
elif has python3; then c=python3
elif has curl; then c=curl
elif has wget; then c=wget
fi
echo "client $c"
say() {
  m=$(printf '%s' "$2" | tr '\\n\\r' '  ' | cut -c1-160)
  case "$2" in
    *[Rr]efused*|*REFUSED*) echo "$1 refused $m" ;;
    *TIMEOUT*|*'imed out'*|*[Tt]imeout*) echo "$1 timeout $m" ;;
    *unreachable*|*'o route'*|*prohibited*|*'ermission denied'*|*'not permitted'*) echo "$1 unreachable $m" ;;
    '') echo "$1 timeout no answer" ;;
    *) echo "$1 other $m" ;;
  esac
}
dns='\\022\\064\\001\\000\\000\\001\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\001'
nu=no
if has nc && nc -h 2>&1 | grep -q -e '-[a-zA-Z0-9]*u'; then nu=yes; fi
hello() { if [ "$1" = 53 ]; then printf "$dns"; else printf 'hostname\\n'; fi; }
udp() {
  i=$1; h=$2; p=$3; u=$h
  case "$h" in *:*) u="[$h]" ;; esac
  if [ $nu = yes ]; then
    n=$( (hello "$p"; sleep "$t") | nc -u -w "$t" "$h" "$p" 2>&1 | head -c 16 | od -An -c | tr -d ' \\n')
    case "$n" in *refused*) echo "$i refused" ;; ?*) echo "$i open" ;; *) echo "$i silent" ;; esac
  elif [ -x /agnhost ]; then
    o=$(/agnhost connect --protocol=udp --timeout="$t"s "$u:$p" 2>&1) && { echo "$i open"; return; }
    case "$o" in *REFUSED*) echo "$i refused $o" ;; *) echo "$i silent $o" ;; esac
  elif has bash && has timeout; then
    o=$(timeout "$t" bash -c 'exec 3<>"/dev/udp/$0/$1" && if [ "$1" = 53 ]; then printf "$2"; else echo hostname; fi >&3 && head -c 1 <&3 | od -An -c' "$h" "$p" "$dns" 2>&1)
    case "$o" in *refused*) echo "$i refused" ;; ?*) echo "$i open" ;; *) echo "$i silent" ;; esac
  else echo "$i blind no client for UDP"
  fi
}
tcp() {
  i=$1; h=$2; p=$3; u=$h
  case "$h" in *:*) u="[$h]" ;; esac
  case $c in
    agnhost) o=$(/agnhost connect --protocol=tcp --timeout="$t"s "$u:$p" 2>&1) && echo "$i open" || say "$i" "$o" ;;
    nc) o=$(connect "$t" "$h" "$p" </dev/null 2>&1) && echo "$i open" || say "$i" "$o" ;;
    bash) o=$(timeout "$t" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$h" "$p" 2>&1) && echo "$i open" || say "$i" "$o" ;;
    curl) o=$(curl -sSv -o /dev/null --connect-timeout "$t" -m $((t + 1)) -w ' time_connect=%{time_connect}' "telnet://$u:$p" </dev/null 2>&1)
      case "$o" in *time_connect=*[1-9]*) echo "$i open" ;; *) say "$i" "$o" ;; esac ;;
    wget) o=$(wget -t 1 -T "$t" -O /dev/null "http://$u:$p/" 2>&1)
      case "$o" in *connected.*|*'server returned error'*|*'bad header'*|*written*|*saved*) echo "$i open" ;;
        *refused*) say "$i" "$o" ;;
        *) if wget --version 2>/dev/null | grep -q GNU; then say "$i" "$o"; else echo "$i blind this wget cannot tell a closed port from a program that does not speak HTTP"; fi ;; esac ;;
    *) echo "$i blind the image has none of ${CLIENTS.join(', ')}" ;;
  esac
}
if [ $c = python3 ]; then
  exec python3 -c '
import socket, sys, threading
t = float(sys.argv[1]); s = threading.Semaphore(int(sys.argv[2])); a = sys.argv[3:]
def one(i, proto, host, port):
    with s:
        f = socket.AF_INET6 if ":" in host else socket.AF_INET
        k = socket.socket(f, socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM)
        k.settimeout(t)
        try:
            k.connect((host, int(port)))
            if proto == "udp":
                k.send(b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\1" if port == "53" else b"hostname\\n")
                k.recv(1)
            r = "open"
        except socket.timeout: r = "silent" if proto == "udp" else "timeout no answer"
        except ConnectionRefusedError: r = "refused"
        except OSError as e: r = "unreachable " + str(e)
        k.close()
        sys.stdout.write(i + " " + r + "\\n"); sys.stdout.flush()
ts = [threading.Thread(target=one, args=a[n:n+4]) for n in range(0, len(a), 4)]
[x.start() for x in ts]; [x.join() for x in ts]
' "$t" "$par" "$@"
fi
n=0
while [ $# -ge 4 ]; do
  if [ "$2" = udp ]; then udp "$1" "$3" "$4" & else tcp "$1" "$3" "$4" & fi
  shift 4; n=$((n + 1))
  if [ $n -ge "$par" ]; then wait; n=0; fi
done
wait
`;

/** The command that makes these attempts; all with the longest time-out among them. */
export function commandFor(attempts: readonly Attempt[], parallel: number = PARALLEL_IN_POD): readonly string[] {
  const longest = attempts.reduce((max, { timeoutMs }) => Math.max(max, timeoutMs), 0);
  const seconds = Math.max(1, Math.ceil(longest / 1000));
  return [
    'sh',
    '-c',
    SCRIPT.trim(),
    'probe',
    `${seconds}`,
    `${parallel}`,
    ...attempts.flatMap(({ protocol, host, port }, i) => [`${i}`, protocol.toLowerCase(), host, `${port}`]),
  ];
}

/** Which client the script found; `null` if it did not say. */
export function clientOf(stdout: string): string | null {
  return /^client (\S+)$/m.exec(stdout)?.[1] ?? null;
}

/** What the lines of the script mean, in the order of the attempts. */
export function readOutcomes(stdout: string, attempts: readonly Attempt[]): readonly Seen[] {
  const lines = new Map<number, { readonly word: string; readonly said: string }>();
  for (const line of stdout.split('\n')) {
    const match = /^(\d+) ([a-z]+) ?(.*)$/.exec(line);
    if (match === null) continue;
    const [, number = '', word = '', said = ''] = match;
    if (!lines.has(Number(number))) lines.set(Number(number), { word, said: said.trim() });
  }
  return attempts.map((_, i) => {
    const line = lines.get(i);
    return line === undefined ? lost('the probe said nothing of it') : outcomeOf(line.word, line.said);
  });
}

const lost = (detail: string): Seen => ({ observed: 'error', detail, ms: 0, peer: null });

const REFUSED = 'refused: either nothing listens there, or a policy refuses instead of dropping';
const SILENT = 'no answer, and programs need not answer over UDP';

function outcomeOf(word: string, said: string): Seen {
  switch (word) {
    case 'open':
      return { observed: 'allowed', detail: 'connected', ms: 0, peer: null };
    case 'timeout':
      return { observed: 'denied', detail: 'no answer', ms: 0, peer: null };
    case 'unreachable':
      return { observed: 'denied', detail: said === '' ? 'unreachable' : said, ms: 0, peer: null };
    case 'refused':
      return { ...lost('refused'), blind: REFUSED, quiet: true };
    case 'silent':
      return { ...lost('no answer'), blind: SILENT, quiet: true };
    case 'blind':
      return { ...lost(said), blind: said };
    default:
      return lost(said === '' ? word : said);
  }
}
