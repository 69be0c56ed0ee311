import { wordList, wordPeer, wordTrafficMatch } from '../engine/explain/words.ts';
import type { Direction, Rule } from '../model/program.ts';

/** Peers and ports of a rule, each in words; `null` for any port and protocol. */
interface RuleWords {
  readonly peers: readonly string[];
  readonly traffic: readonly string[] | null;
}

/** `from pods `app=web` in namespace `shop`, TCP 80`. */
export function ruleText({ peers, traffic }: RuleWords, direction: Direction, most = 5): string {
  const who = peers.length === 0 ? 'nobody' : wordList(peers, most);
  const what = traffic === null ? 'any port and protocol' : traffic.length === 0 ? 'no port' : wordList(traffic, most);
  return `${direction === 'ingress' ? 'from' : 'to'} ${who}, ${what}`;
}

/** The same of a rule of the program. */
export function textOfRule(rule: Rule): string {
  const { peers, traffic } = rule.match;
  const words = {
    peers: peers.map(wordPeer),
    traffic: traffic === 'any' ? null : traffic.map(wordTrafficMatch),
  };
  return ruleText(words, rule.direction);
}
