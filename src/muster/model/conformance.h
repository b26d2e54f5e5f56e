#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "muster/model/model.h"

namespace muster::model {

/// What a backend gives the suite that every Model must pass (model/conformance.cc lists the
/// promises). Each call makes a fresh model of the described behaviour.
class ModelUnderTest {
 public:
  virtual ~ModelUnderTest() = default;
  /// Input "x" FP32 [N, 3], output "y" FP32 [N, 3] = 2·x, any N.
  virtual std::unique_ptr<Model> Doubling() = 0;
  /// As Doubling, but a run with a row whose x[0] is -999 fails.
  virtual std::unique_ptr<Model> FailingOnMarkedRow() = 0;
  /// As Doubling, but every run has exactly 4 rows.
  virtual std::unique_ptr<Model> FixedBatchOfFour() = 0;
};

}  // namespace muster::model
