#pragma once

#include <memory>
#include <string>

#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::backends::onnx {

struct OnnxOptions {
  /// Path of libonnxruntime.so; empty: MUSTER_ONNXRUNTIME from the environment, else the system's.
  std::string library;
};

/// Loads ONNX models with ONNX Runtime, whose library is opened when the loader is: its symbols
/// carry the exact release, so linking would tie us to one. Thread-safe. Models keep the runtime
/// alive.
///
/// All dtypes of the Open Inference Protocol, strings, dynamic axes with their names, several
/// inputs and outputs. A sequence of maps or a map (a scikit-learn converter's zipmap) becomes a
/// plain FP32 output [N, k] whose labels are the map's keys. Other types are refused at load.
class OnnxLoader : public model::ModelLoader {
 public:
  /// Errors: UNAVAILABLE where the library is absent, is none, or is older than the API we were
  /// built for; the text says which version was found and what to do.
  static base::Result<std::unique_ptr<OnnxLoader>> Open(const OnnxOptions& options);

  virtual std::string RuntimeVersion() const = 0;  ///< e.g. "1.29.0"
};

}  // namespace muster::backends::onnx
