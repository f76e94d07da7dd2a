// What a list, a map and a table read: people, alerts and payments by id, whoever holds them.

const PAYMENTS_SHOWN = 60;

export class Shown extends EventTarget {
  // Newest first, in the order the server uses.
  alertsNewestFirst() {
    return [...this.alerts.values()].sort(
      (a, b) => b.second.minute_ms - a.second.minute_ms || (a.id < b.id ? 1 : -1),
    );
  }

  paymentsNewestFirst(limit = PAYMENTS_SHOWN) {
    return [...this.payments.values()]
      .sort((a, b) => b.seq - a.seq || b.minute_ms - a.minute_ms || (a.id < b.id ? 1 : -1))
      .slice(0, limit);
  }

  // The gravest open alert of each person.
  severityBySubject() {
    const gravity = { low: 1, medium: 2, high: 3 };
    const worst = new Map();
    for (const alert of this.alerts.values()) {
      if (alert.state === "retracted") continue;
      const known = worst.get(alert.subject);
      if (!known || gravity[alert.severity] > gravity[known]) worst.set(alert.subject, alert.severity);
    }
    return worst;
  }

  openAlerts() {
    let open = 0;
    for (const alert of this.alerts.values()) if (alert.state !== "retracted") open += 1;
    return open;
  }
}
