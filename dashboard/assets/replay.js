// A stretch of time played again: what was known at a moment, made from what happened up to it. Pure.

const PAYMENTS = 60;

export class Replay {
  // happenings: of the server, oldest first.
  constructor(happenings) {
    this.happenings = happenings;
    this.since = happenings[0]?.minute_ms ?? 0;
    this.until = happenings.at(-1)?.minute_ms ?? 0;
    this.alertTimes = [...new Set(happenings.filter(({ alert }) => alert).map(({ minute_ms }) => minute_ms))];
    this.#reset();
  }

  #reset() {
    this.next = 0;
    this.people = new Map();
    this.alerts = new Map();
    this.payments = new Map();
  }

  // The picture up to and with a time; `paid` is what was added since the picture before.
  at(ms) {
    if (this.next > 0 && this.happenings[this.next - 1].minute_ms > ms) this.#reset();
    const paid = [];
    while (this.next < this.happenings.length && this.happenings[this.next].minute_ms <= ms) {
      const { minute_ms, payment, alert } = this.happenings[this.next];
      this.next += 1;
      if (alert) this.alerts.set(alert.id, alert);
      if (payment) {
        this.payments.set(payment.id, payment);
        paid.push(payment);
        if (this.payments.size > PAYMENTS) this.payments.delete(this.payments.keys().next().value);
      }
      const place = payment?.place ?? alert?.second.place;
      const id = (payment ?? alert).subject;
      if (place) this.people.set(id, { id, minute_ms, place, seq: this.next });
    }
    return { picture: { people: this.people, alerts: this.alerts, payments: this.payments }, paid: paid.slice(-PAYMENTS) };
  }

  // The next alert's time in a direction, or null at the end.
  jump(ms, by) {
    const times = by > 0 ? this.alertTimes.filter((time) => time > ms) : this.alertTimes.filter((time) => time < ms);
    return (by > 0 ? times[0] : times.at(-1)) ?? null;
  }
}
