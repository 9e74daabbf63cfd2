// Stored values to the screen, in the order of PS3.4 N.2. Values are averaged and interpolated after the modality
// transformation and before the window, so that no grey appears which the window would not give.
// Compiled with SOURCE (usampler2D, isampler2D, sampler2D) and one of GREY, PALETTE, COLOUR defined.
precision highp float;
precision highp int;
precision highp SOURCE;
precision highp usampler2D;

uniform SOURCE image;
uniform mat3 to_image;      // canvas pixels, top left origin, to image pixels
uniform vec2 foot;          // image pixels under one canvas pixel, across and down
uniform float canvas_height;
uniform ivec2 size;         // of the image
uniform ivec4 tile;         // origin and size of the part this texture holds
uniform ivec4 part;         // origin and end of the part it is to draw
uniform bool invert;
uniform float width;        // window width
uniform int voi_function;   // 0 LINEAR, 1 LINEAR_EXACT, 2 SIGMOID, 3 LUT

out vec4 shown;

ivec2 within(ivec2 at) {
  return clamp(at, ivec2(0), size - 1) - tile.xy;
}

#if defined(GREY)

uniform float slope;
uniform float offset;
uniform int base;
uniform bool has_padding;
uniform ivec2 padding;
uniform int modality_length;   // 0: slope and offset
uniform int modality_first;
uniform int voi_length;
uniform float voi_full;
uniform usampler2D modality_lut;
uniform usampler2D voi_lut;

int stored(ivec2 at) {
  return STORED(texelFetch(image, within(at), 0));
}

float entry(usampler2D lut, int at) {
  int wide = textureSize(lut, 0).x;
  return float(texelFetch(lut, ivec2(at % wide, at / wide), 0).r);
}

// x: the value relative to the window's centre; y: 0 for padding, which is no value, else 1.
vec2 value(ivec2 at) {
  int v = stored(at);
  if (has_padding && v >= padding.x && v <= padding.y) return vec2(0.0);
  if (modality_length > 0) {
    return vec2(entry(modality_lut, clamp(v - modality_first, 0, modality_length - 1)) + offset, 1.0);
  }
  return vec2(slope * float(v - base) + offset, 1.0);
}

vec4 finish(vec2 sum) {
  if (sum.y <= 0.0) return vec4(0.0, 0.0, 0.0, 1.0);
  float x = sum.x / sum.y;
  float y;
  if (voi_function == 0) {
    y = width <= 1.0 ? (x > 0.0 ? 1.0 : 0.0) : clamp(x / (width - 1.0) + 0.5, 0.0, 1.0);
  } else if (voi_function == 1) {
    y = clamp(x / width + 0.5, 0.0, 1.0);
  } else if (voi_function == 2) {
    y = 1.0 / (1.0 + exp(-4.0 * x / width));
  } else {
    float at = clamp(x, 0.0, float(voi_length - 1));
    int below = int(floor(at));
    y = mix(entry(voi_lut, below), entry(voi_lut, min(below + 1, voi_length - 1)), fract(at)) / voi_full;
  }
  return vec4(vec3(invert ? 1.0 - y : y), 1.0);
}

#define SUM vec2
#define PADDED(s) ((s).y <= 0.0)

#else

uniform float centre;

#if defined(PALETTE)
uniform int palette_first;
uniform int palette_length;
uniform sampler2D palette;
vec4 value(ivec2 at) {
  int v = clamp(STORED(texelFetch(image, within(at), 0)) - palette_first, 0, palette_length - 1);
  int wide = textureSize(palette, 0).x;
  return vec4(texelFetch(palette, ivec2(v % wide, v / wide), 0).rgb, 1.0);
}
#else
vec4 value(ivec2 at) {
  return vec4(texelFetch(image, within(at), 0).rgb, 1.0);
}
#endif

// Brightness and contrast over the 8-bit output, each channel alike.
vec4 finish(vec4 sum) {
  vec3 y = clamp((sum.rgb / sum.a * 255.0 - centre) / width + 0.5, 0.0, 1.0);
  return vec4(invert ? 1.0 - y : y, 1.0);
}

#define SUM vec4
#define PADDED(s) false

#endif

// Four neighbours by distance; padding takes no part, and where it is nearest it stays padding.
SUM between(vec2 p) {
  vec2 q = p - 0.5;
  ivec2 i = ivec2(floor(q));
  vec2 f = q - vec2(i);
  SUM a = value(i), b = value(i + ivec2(1, 0)), c = value(i + ivec2(0, 1)), d = value(i + ivec2(1, 1));
  SUM nearest = f.y < 0.5 ? (f.x < 0.5 ? a : b) : (f.x < 0.5 ? c : d);
  if (PADDED(nearest)) return SUM(0.0);
  return mix(mix(a, b, f.x), mix(c, d, f.x), f.y);
}

void main() {
  vec2 at = vec2(gl_FragCoord.x, canvas_height - gl_FragCoord.y);
  vec2 p = (to_image * vec3(at, 1.0)).xy;
  ivec2 i = ivec2(floor(p));
  if (any(lessThan(i, part.xy)) || any(greaterThanEqual(i, part.zw))) discard;
  SUM sum;
  if (max(foot.x, foot.y) <= 1.0001) {
    sum = between(p);
  } else {
    // Shrunk: the mean of what lies under this canvas pixel, so that nothing small vanishes between samples.
    ivec2 n = clamp(ivec2(ceil(foot)), ivec2(1), ivec2(8));
    sum = SUM(0.0);
    for (int y = 0; y < n.y; y++) {
      for (int x = 0; x < n.x; x++) {
        vec2 tap = p + ((vec2(x, y) + 0.5) / vec2(n) - 0.5) * foot;
        sum += n.x < 3 && n.y < 3 ? between(tap) : value(ivec2(floor(tap)));
      }
    }
  }
  shown = finish(sum);
}
