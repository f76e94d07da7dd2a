// Where the groups of a graph lie: charges that push apart, springs along lines, and a pull to the middle; no chance, so the same groups
// lie the same way each time. What lay somewhere before begins there, so that a new group moves its neighbours and not the world.
// Source: Fruchterman and Reingold, "Graph drawing by force-directed placement", Software: Practice and Experience 21 (1991).

const TURNS = 260;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

// nodes: [{id, radius}], lines: [[a, b, weight]]; before: Map of id to {x, y}. Returns [{x, y}] around the middle (0, 0).
export function laidOut(nodes, lines, before = new Map(), aspect = 1.6) {
  const spread = 26 * Math.sqrt(nodes.length);
  const at = nodes.map(({ id }, index) => {
    const known = before.get(id);
    const turn = index * GOLDEN;
    const away = spread * Math.sqrt((index + 0.5) / nodes.length);
    return known ? { ...known } : { x: aspect * away * Math.cos(turn), y: away * Math.sin(turn) };
  });
  for (let turn = 0; turn < TURNS; turn += 1) {
    const heat = 6 * (1 - turn / TURNS) ** 1.5 + 0.05;
    const push = at.map(({ x, y }) => ({ x: (-0.012 * x) / aspect, y: -0.012 * y * aspect }));
    apart(nodes, at, push);
    for (const [a, b, weight] of lines) {
      const [dx, dy] = [at[b].x - at[a].x, at[b].y - at[a].y];
      const far = Math.hypot(dx, dy) || 1;
      const rest = nodes[a].radius + nodes[b].radius + 34;
      const pull = (0.02 * weight * (far - rest)) / far;
      push[a].x += dx * pull;
      push[a].y += dy * pull;
      push[b].x -= dx * pull;
      push[b].y -= dy * pull;
    }
    at.forEach((place, index) => {
      const strength = Math.hypot(push[index].x, push[index].y) || 1;
      const step = Math.min(strength, heat) / strength;
      place.x += push[index].x * step;
      place.y += push[index].y * step;
    });
  }
  return at;
}

function apart(nodes, at, push) {
  for (let a = 0; a < nodes.length; a += 1) {
    for (let b = a + 1; b < nodes.length; b += 1) {
      let [dx, dy] = [at[b].x - at[a].x, at[b].y - at[a].y];
      if (!dx && !dy) [dx, dy] = [0.01 * (b - a), 0.01];
      const far = Math.hypot(dx, dy);
      const room = nodes[a].radius + nodes[b].radius + 20;
      const force = far < room ? (room - far) * 0.5 + 1 : (room * room * 0.35) / (far * far);
      push[a].x -= (dx / far) * force;
      push[a].y -= (dy / far) * force;
      push[b].x += (dx / far) * force;
      push[b].y += (dy / far) * force;
    }
  }
}

// The seeds of a sunflower: many dots on a disc, evenly and always in the same places.
export function seeds(count, radius) {
  return Array.from({ length: count }, (_, index) => {
    const away = radius * Math.sqrt((index + 0.5) / Math.max(1, count));
    return { x: away * Math.cos(index * GOLDEN), y: away * Math.sin(index * GOLDEN) };
  });
}

export function bounds(nodes, at, margin) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  at.forEach(({ x, y }, index) => {
    const reach = nodes[index].radius + margin;
    box.left = Math.min(box.left, x - reach);
    box.right = Math.max(box.right, x + reach);
    box.top = Math.min(box.top, y - reach);
    box.bottom = Math.max(box.bottom, y + reach);
  });
  return box;
}
