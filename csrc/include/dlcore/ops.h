#pragma once
// Every op, one header a family.
#include "dlcore/ops/creation.h"
#include "dlcore/ops/elementwise.h"
#include "dlcore/ops/indexing.h"
#include "dlcore/ops/linalg.h"
#include "dlcore/ops/loss.h"
#include "dlcore/ops/nn.h"
#include "dlcore/ops/reduction.h"
#include "dlcore/ops/shape.h"
