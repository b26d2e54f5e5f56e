#pragma once

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "muster/backends/onnx/onnx_loader.h"

// Benchmarks are not told where the sources are: run them in the checkout.
#ifndef MUSTER_SOURCE_DIR
#define MUSTER_SOURCE_DIR "."
#endif

namespace muster::backends::onnx {

inline const std::string& Root() {
  static const std::string root = MUSTER_SOURCE_DIR;
  return root;
}
inline std::string Library() { return Root() + "/.deps/onnxruntime/lib/libonnxruntime.so"; }
inline std::string TestModel(const std::string& name) {
  return Root() + "/tests/models/" + name + "/1/model.onnx";
}
inline std::string Example(const std::string& name) {
  return Root() + "/examples/models/" + name + "/1/model.onnx";
}

inline OnnxLoader& Loader() {
  static const auto loader = OnnxLoader::Open({.library = Library(), .search = {}});
  MUSTER_CHECK(loader.has_value(), loader.error().message);
  return **loader;
}

inline std::unique_ptr<model::Model> Load(const std::string& path) {
  auto model = Loader().Load({.path = path, .bytes = {}}, {});
  MUSTER_CHECK(model.has_value(), model.error().message);
  return *std::move(model);
}

inline base::Result<std::unique_ptr<model::Model>> LoadBytes(std::string_view bytes) {
  return Loader().Load({.path = "", .bytes = std::as_bytes(std::span(bytes))}, {});
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline base::Result<std::vector<tensor::Tensor>> RunOnce(model::Model& model,
                                                         std::vector<tensor::Tensor> inputs) {
  const auto instance = *model.NewInstance({});
  return model::RunAndWait(*instance, inputs);
}

template <class T>
std::vector<T> Values(const tensor::Tensor& tensor) {
  const auto data = tensor.data<const T>();
  return {data.begin(), data.end()};
}

}  // namespace muster::backends::onnx
