#pragma once
#include "dlcore/autograd.h"
#include "dlcore/backends.h"
#include "dlcore/memory.h"
#include "dlcore/ops.h"
#include "dlcore/parallel.h"
#include "dlcore/tensor.h"
