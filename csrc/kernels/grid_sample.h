#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// An image read at points between its elements: with the weights w_t of the elements around the point grid[n, p],
//
//   grid_sample                  y[n, p] = sum_t w_t x[n, place_t]
//   grid_sample_backward_input   dx[n, i] = sum of the w_t dy[n, p] whose place_t is i
//   grid_sample_backward_grid    dgrid[n, p] = sum_t (dw_t / dgrid) <dy[n, p], x[n, place_t]>
//
// The weights are products of one an axis: 1 for the nearest element, or a linear or (Keys' kernel, a = -3/4) cubic
// function of the distance. A coordinate of -1 and 1 is the first and last element (align_corners) or the image's edge.
namespace dlcore::kernel {

enum class Sampling : uint8_t { Linear, Nearest, Cubic };
enum class Outside : uint8_t { Zeros, Border, Reflection };  // what elements beyond the edges are

struct GridSample {
  DType dtype;  // Float32 or Float64
  int64_t n, channels, points, dims;
  int64_t size[3];  // depth (1 where dims is 2), height, width; x: (n, depth, height, width, channels)
  Sampling sampling;
  Outside outside;
  bool align_corners;
  // y: (n, points, channels); grid: (n, points, dims), the coordinate along the width first
};

}  // namespace dlcore::kernel
