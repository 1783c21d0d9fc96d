// Arithmetic on embeddings (Float32Array).

export function normalize(vector) {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

export function dot(a, b) {
  let sum = 0;
  for (let place = 0; place < a.length; place++) sum += a[place] * b[place];
  return sum;
}

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
