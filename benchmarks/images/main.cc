// What it costs to make a JPEG a row of a model of 224 × 224 pixels, and what its parts cost alone,
// in turn and on one thread:
//
//   muster_image_bench FILE.jpg [--seconds S]
//
// prints one JSON object of medians: scaled_decode_ms (libjpeg-turbo called plainly, at the scale
// that muster decodes at), prepare_ms (all of it) and prepare_cpu_ms, resize_ms (resizing and
// normalising alone, from the whole picture decoded), full_decode_ms.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <time.h>
#include <utility>
#include <vector>

#include "benchmarks/images/plain_jpeg.h"

#include "muster/base/result.h"
#include "muster/features/image/decode.h"
#include "muster/features/image/image_plan.h"
#include "muster/model/image_options.h"
#include "muster/model/spec.h"

namespace {

using namespace muster;
using features::image::DecodeLimits;
using features::image::ImagePlan;
using features::image::ImageScratch;
using features::image::Picture;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kSide = 224;
constexpr double kDecodeMargin = 1.5;  // as in image_plan.cc; Check sees to it that it still is

ImagePlan MakePlan() {
  model::ModelSpec spec;
  spec.inputs.push_back({.name = "input",
                         .dtype = tensor::DType::kFp32,
                         .dims = {model::Dim{}, model::Dim{.size = 3}, model::Dim{.size = kSide},
                                  model::Dim{.size = kSide}}});
  spec.outputs.push_back(
      {.name = "probabilities", .dims = {model::Dim{}, model::Dim{.size = 1000}}});
  model::DeriveBatchAxis(spec);
  const model::ImageOptions options = {.fit = model::ImageOptions::Fit::kStretch,
                                       .mean = {0.485, 0.456, 0.406},
                                       .std = {0.229, 0.224, 0.225}};
  return ImagePlan::Make(options, spec).value();
}

/// The smallest scale that keeps enough pixels.
unsigned DivisorFor(std::int64_t width, std::int64_t height) {
  const auto enough = static_cast<std::int64_t>(std::ceil(kSide * kDecodeMargin));
  unsigned divisor = 8;
  while (divisor > 1 && (width / divisor < enough || height / divisor < enough)) divisor /= 2;
  return divisor;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double ThreadCpuMs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

/// How long `work` takes, in milliseconds.
template <class Work>
double Time(const Work& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

class ImageBench {
 public:
  explicit ImageBench(std::vector<std::byte> file) : file_(std::move(file)) {
    MUSTER_CHECK(features::image::Decode(file_, {}, limits_, whole_, other_), "no readable JPEG");
    MUSTER_CHECK(whole_.channels() == 4, "expected a JPEG in colour");
    divisor_ = DivisorFor(whole_.width(), whole_.height());
    pixels_.resize(whole_.samples().size());
    row_.resize(plan_.row_bytes() / sizeof(float));
  }

  /// All four parts give what they should before any of them is timed.
  void Check() {
    Prepare();
    const std::vector<float> first = row_;
    std::ranges::fill(row_, 0.0f);
    Prepare();
    MUSTER_CHECK(row_ == first, "the same picture gave another row the second time");
    MUSTER_CHECK(std::ranges::all_of(row_, [](float x) { return std::isfinite(x); }),
                 "a row that is not finite");
    // From what the plain decoder gives the row must be the same: it decodes at the same scale.
    DecodePlain();
    Picture scaled;
    scaled.Reset(width_, height_, 4);
    std::memcpy(scaled.row(0), pixels_.data(), scaled.samples().size());
    plan_.PrepareDecoded(scaled, row_bytes(), scratch_);
    MUSTER_CHECK(row_ == first, "decoded at another scale than muster does, or otherwise");
    CopyWhole();
    Resize();
    double difference = 0;
    for (std::size_t i = 0; i < row_.size(); ++i) difference += std::fabs(row_[i] - first[i]);
    MUSTER_CHECK(difference / static_cast<double>(row_.size()) < 0.1,
                 "resized from the whole picture it is another one");
  }

  void Round(std::vector<double>& scaled, std::vector<double>& prepare, std::vector<double>& cpu,
             std::vector<double>& resize, std::vector<double>& full) {
    scaled.push_back(Time([this] { DecodePlain(); }));
    const double before = ThreadCpuMs();
    prepare.push_back(Time([this] { Prepare(); }));
    cpu.push_back(ThreadCpuMs() - before);
    CopyWhole();  // not timed: PrepareDecoded may change what it is given
    resize.push_back(Time([this] { Resize(); }));
    full.push_back(Time([this] { DecodeWhole(); }));
  }

  std::int64_t width() const { return whole_.width(); }
  std::int64_t height() const { return whole_.height(); }
  unsigned divisor() const { return divisor_; }

 private:
  std::byte* row_bytes() { return reinterpret_cast<std::byte*>(row_.data()); }
  void DecodePlain() {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(file_.data());
    MUSTER_CHECK(DecodePlainJpeg(bytes, file_.size(), divisor_, pixels_.data(), pixels_.size(),
                                 &width_, &height_) == 0,
                 "a scaled picture that is larger than the whole");
  }
  void Prepare() {
    MUSTER_CHECK(plan_.Prepare({.bytes = file_}, limits_, row_bytes(), scratch_), "refused");
  }
  void CopyWhole() {
    copy_.Reset(whole_.width(), whole_.height(), whole_.channels());
    std::memcpy(copy_.row(0), whole_.row(0), whole_.samples().size());
  }
  void Resize() { plan_.PrepareDecoded(copy_, row_bytes(), scratch_); }
  void DecodeWhole() {
    MUSTER_CHECK(features::image::Decode(file_, {}, limits_, decoded_, other_), "refused");
  }

  const std::vector<std::byte> file_;
  const DecodeLimits limits_ = {};
  const ImagePlan plan_ = MakePlan();
  ImageScratch scratch_;
  Picture whole_, copy_, decoded_, other_;
  unsigned divisor_ = 1;
  unsigned width_ = 0, height_ = 0;  // of what is in pixels_
  std::vector<unsigned char> pixels_;
  std::vector<float> row_;
};

std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

}  // namespace

int main(int argc, char** argv) {
  const bool timed = argc == 4 && std::string_view(argv[2]) == "--seconds";
  const double seconds = timed ? std::atof(argv[3]) : 3;
  if ((argc != 2 && !timed) || !(seconds > 0)) {
    std::fprintf(stderr, "usage: muster_image_bench FILE.jpg [--seconds S]\n");
    return 2;
  }
  ImageBench bench(ReadFile(argv[1]));
  bench.Check();
  std::vector<double> scaled, prepare, cpu, resize, full;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (prepare.size() < 5 || Clock::now() < end) {
    bench.Round(scaled, prepare, cpu, resize, full);
  }
  std::printf(
      "{\"width\": %lld, \"height\": %lld, \"divisor\": %u, \"rounds\": %zu, "
      "\"scaled_decode_ms\": %.4f, \"prepare_ms\": %.4f, \"prepare_cpu_ms\": %.4f, "
      "\"resize_ms\": %.4f, \"full_decode_ms\": %.4f}\n",
      static_cast<long long>(bench.width()), static_cast<long long>(bench.height()),
      bench.divisor(), prepare.size(), Median(scaled), Median(prepare), Median(cpu), Median(resize),
      Median(full));
  return 0;
}
