#pragma once

#include <string>

#include "muster/bench/random.h"
#include "muster/tensor/tensor.h"

namespace muster::bench {

/// Numbers from 0 to 8 into every element of a numeric tensor.
void FillRandomly(const tensor::Tensor& t, Random& random);

/// The elements of the only row of `t` [1, …] as nested JSON lists, without that axis.
void AppendNested(std::string& out, const tensor::Tensor& t);

/// All elements as one flat JSON list.
void AppendFlat(std::string& out, const tensor::Tensor& t);

}  // namespace muster::bench
