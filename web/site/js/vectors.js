// Arithmetic on embeddings (Float32Array).

export function normalize(vector) {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

export const dot = (a, b) => a.reduce((sum, value, place) => sum + value * b[place], 0);

/** Probabilities of a picture's labels: softmax of its cosines with them, scaled. */
export function probabilities(cosines, scale) {
  const logits = cosines.map((cosine) => scale * cosine);
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Places of the `count` highest values, best first. */
export function best(values, count) {
  const places = Array.from(values, (_, place) => place);
  return places.sort((a, b) => values[b] - values[a]).slice(0, count);
}
