// Points on the graphics card: a frame costs a handful of numbers, however many points there are.

const VERTEX = `#version 300 es
in vec2 before; in vec2 after; in float code; in float kind; in float faint;
uniform vec2 scale; uniform vec2 offset; uniform float moved; uniform float size; uniform vec4 palette[34];
out vec4 colour; flat out float form;
void main() {
  gl_Position = vec4(mix(before, after, moved) * scale + offset, 0.0, 1.0);
  gl_PointSize = size * (kind > 1.5 ? 2.4 : kind > 0.5 ? 1.2 : 1.0);
  colour = palette[int(code + 0.5)];
  colour.a *= faint > 0.5 ? 0.1 : 0.85;
  form = mod(kind, 2.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour; flat in float form; out vec4 shown;
void main() {
  vec2 from = gl_PointCoord * 2.0 - 1.0;
  if ((form > 0.5 ? abs(from.x) + abs(from.y) : length(from)) > 1.0) discard;
  shown = vec4(colour.rgb * colour.a, colour.a);
}`;

class Painter {
  // Throws where the browser has no WebGL 2.
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
    if (!gl) throw new Error("no WebGL 2");
    this.gl = gl;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("no shaders");
    gl.useProgram(program);
    this.uniform = (name) => gl.getUniformLocation(program, name);
    this.names = Object.fromEntries(["scale", "offset", "moved", "size", "palette"].map((name) => [name, this.uniform(name)]));
    this.buffers = {};
    for (const name of ["before", "after", "code", "kind", "faint"]) {
      this.buffers[name] = { buffer: gl.createBuffer(), place: gl.getAttribLocation(program, name) };
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  // An array of all points: "before" and "after" as x, y from 0 to 65,535; the others a byte each.
  load(name, values) {
    const { gl } = this;
    const { buffer, place } = this.buffers[name];
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(place);
    if (values instanceof Uint16Array) {
      this.count = values.length / 2;
      gl.vertexAttribPointer(place, 2, gl.UNSIGNED_SHORT, true, 0, 0);
    } else gl.vertexAttribPointer(place, 1, gl.UNSIGNED_BYTE, false, 0, 0);
  }

  // colours: [r, g, b] from 0 to 1; scale and offset: from the map, 0 to 1, to -1 to 1 on the screen.
  draw({ scale, offset, moved, size, colours }) {
    const { gl, names } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const palette = new Float32Array(4 * (NONE + 1)).fill(1);
    colours.forEach((colour, n) => palette.set(colour, 4 * n));
    gl.uniform4fv(names.palette, palette);
    gl.uniform2f(names.scale, ...scale);
    gl.uniform2f(names.offset, ...offset);
    gl.uniform1f(names.moved, moved);
    gl.uniform1f(names.size, size);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  end() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
