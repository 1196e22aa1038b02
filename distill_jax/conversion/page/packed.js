// The packed file's manifest and streams, as docs/packed-format.md describes them; but all together, and deflated, which
// a browser inflates by itself.

async function readPacked() {
  const deflated = bytesOfBase64(document.getElementById("student").textContent.trim());
  const inflating = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(inflating).arrayBuffer());
  let start = 4;
  const next = (size) => bytes.subarray(start, (start += size));
  const manifest = JSON.parse(new TextDecoder().decode(next(new DataView(bytes.buffer).getUint32(0, true))));
  const streams = Object.fromEntries(manifest.streams.map(([name, size]) => [name, next(size)]));
  return { manifest, streams };
}

function bytesOfBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

/** Return the parameters by name, each a `Matrix`. */
function readArrays({ manifest, streams }) {
  const arrays = {};
  for (const [name, about] of Object.entries(manifest.arrays)) {
    arrays[name] = readArray(`weights/${name}`, about, streams);
  }
  return arrays;
}

function readArray(name, about, streams) {
  const columns = about.shape.at(-1);
  if (about.coding === "float32") {
    const aligned = streams[name].slice();  // a view of 4-byte numbers must begin at a multiple of 4
    return new Matrix(new Float32Array(aligned.buffer), columns, about.shape);
  }
  const rows = about.kept ?? about.shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const values = dequantised(streams[name], rows, columns, about, streams[`${name}/groups`]);
  const kept = streams[`${name}/kept`];
  return new Matrix(values, columns, about.shape, kept && placesOf(kept, about.shape[0]));
}

/** Return float32 numbers, row by row: integers in planes of bytes, column after column, times their rows' steps. */
function dequantised(planes, rows, columns, about, groups) {
  const values = new Float32Array(rows * columns);
  const steps = Float32Array.from(about.steps);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const place = column * rows + row;
      let code = 0;
      for (let byte = about.bytes - 1; byte >= 0; byte--) code = code * 256 + planes[byte * rows * columns + place];
      const whole = code % 2 ? -(code + 1) / 2 : code / 2;  // 0, −1, 1, −2, …
      values[row * columns + column] = Math.fround(whole) * steps[groups ? groups[row] : 0];
    }
  }
  return values;
}

/** Return each id's row, or −1 where it is not kept. */
function placesOf(bits, ids) {
  const places = new Int32Array(ids).fill(-1);
  let row = 0;
  for (let id = 0; id < ids; id++) {
    if ((bits[id >> 3] >> (7 - (id & 7))) & 1) places[id] = row++;
  }
  return places;
}

/** Rows of numbers; of a table that is not whole, `row(id)` is −1 for an id that stands for zeros. */
class Matrix {
  constructor(values, columns, shape, places) {
    Object.assign(this, { values, columns, shape, places });
  }

  get rows() {
    return this.values.length / this.columns;
  }

  row(id) {
    return this.places ? this.places[id] : id;
  }
}

/** Add `vector` × the rows of a matrix from `start` on to `sums`. */
function addProduct(sums, vector, offset, matrix, start, count) {
  const { values, columns } = matrix;
  for (let index = 0; index < count; index++) {
    const factor = vector[offset + index];
    if (factor === 0) continue;
    const row = (start + index) * columns;
    for (let column = 0; column < columns; column++) sums[column] += factor * values[row + column];
  }
}
