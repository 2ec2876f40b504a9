// An activation map: what of a face spoke for "no mask", from blue (a little) to red (most).

export function heatCanvas(heat) {
  const canvas = document.createElement("canvas");
  canvas.width = heat[0].length;
  canvas.height = heat.length;
  const context = canvas.getContext("2d");
  heat.forEach((row, y) =>
    row.forEach((value, x) => {
      context.fillStyle = `hsl(${240 - 240 * value} 100% 50% / ${0.65 * value})`;
      context.fillRect(x, y, 1, 1);
    }),
  );
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

// In words, for who does not see it.
export function heatInWords(heat) {
  const hottest = Math.max(...heat.flat());
  const top = heat.findIndex((row) => row.includes(hottest));
  const left = heat[top].indexOf(hottest);
  const part = (place, count, names) => names[Math.floor((3 * place) / count)];
  const down = part(top, heat.length, ["upper", "middle", "lower"]);
  const across = part(left, heat[0].length, [" on the left", "", " on the right"]);
  return `the ${down} part of the face${across}`;
}
