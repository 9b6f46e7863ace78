// By how much the wall clocks of nodes disagree at least, and how far to move their lanes. Pure.
// An arrival cannot be earlier than its sending. Where it seems to be, the receiver's clock is behind the sender's by at
// least the difference. The least moves that mend all of them are longest paths between few nodes.

export class ClockShifts {
  // By sender and receiver: the shortest time that a write seems to have travelled.
  #least = new Map();
  /** By node: how far to move its lane, in ms; empty where no moves mend it, because a clock was set meanwhile. */
  shifts = new Map();
  /** Which clocks are behind which, and by how many ms at least: `{node, other, ms}`, the worst first. */
  behind = [];

  /** Whether an event tells that lanes must be moved differently. */
  note(entry) {
    const { write, kind } = entry;
    let travels = [];
    if (kind === "delivered") travels = [[write.accepted, entry]];
    if (kind === "accepted") travels = [...write.visits.values()].map(({ delivered }) => [entry, delivered]);
    const news = travels.filter(([sent, arrived]) => sent !== null && arrived !== null && this.#isNews(sent, arrived));
    if (news.length > 0) this.#solve();
    return news.length > 0;
  }

  #isNews(sent, arrived) {
    const pair = `${sent.node} ${arrived.node}`;
    const ms = arrived.atMs - sent.atMs;
    if (sent.node === arrived.node || this.#least.get(pair)?.ms <= ms) return false;
    this.#least.set(pair, { other: sent.node, node: arrived.node, ms });
    return ms < 0 || this.behind.length > 0;
  }

  #solve() {
    const least = [...this.#least.values()];
    this.behind = least.filter(({ ms }) => ms < 0).map((pair) => ({ ...pair, ms: -pair.ms })).sort((a, b) => b.ms - a.ms);
    const shifts = new Map(least.flatMap(({ node, other }) => [[node, 0], [other, 0]]));
    this.shifts = new Map();
    for (let round = 0; round <= shifts.size; round += 1) {
      const wrong = least.filter(({ node, other, ms }) => shifts.get(other) - ms > shifts.get(node) + 1e-6);
      if (wrong.length === 0) this.shifts = shifts;
      for (const { node, other, ms } of wrong) shifts.set(node, Math.max(shifts.get(node), shifts.get(other) - ms));
    }
  }
}
