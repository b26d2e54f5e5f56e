#pragma once

#include <memory>
#include <string>
#include <vector>

#include "muster/base/result.h"
#include "muster/model/model.h"

namespace muster::backends::onnx {

/// Which libonnxruntime.so to open: the first of these that is given or there.
struct OnnxOptions {
  std::string library;  ///< a path or a name for the system's search; empty: not given
  // Then MUSTER_ONNXRUNTIME from the environment.
  std::vector<std::string> search;  ///< then the first of these files that exists
  // Then "libonnxruntime.so" wherever the system finds it.
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
  /// To be called before the program has other threads: the runtime reads from the environment
  /// that it must not report to its makers, and only there can that be said before it starts.
  /// Errors: UNAVAILABLE where the library is absent, is none, or is older than the API we were
  /// built for; the text says which version was found and what to do.
  static base::Result<std::unique_ptr<OnnxLoader>> Open(const OnnxOptions& options);

  virtual std::string RuntimeVersion() const = 0;  ///< e.g. "1.29.0"
};

/// The version of the library that Open would open, without starting it. Errors as Open's.
base::Result<std::string> OnnxVersion(const OnnxOptions& options);

}  // namespace muster::backends::onnx
