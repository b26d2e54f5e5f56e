#include <tuple>

#include "muster/server/api/internal/predict_fixture.h"

namespace muster::server::api {
namespace {

// Grey, 2 × 2 pixels: 10 20 30 40.
const std::string kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGPk4mIR4QIAAKQAOP8W/"
    "ggAAAAASUVORK5CYII=";

// The same.
const std::string kPngBytes(
    "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00"
    "\x00\x02\x08\x00\x00\x00\x00\x57\xdd\x52\xf8\x00\x00\x00\x0e\x49\x44\x41\x54\x78\x9c\x63"
    "\xe4\xe2\x62\x11\xe1\x02\x00\x00\xa4\x00\x38\xff\x16\xfe\x08\x00\x00\x00\x00\x49\x45\x4e"
    "\x44\xae\x42\x60\x82",
    71);

class PredictPictures : public PredictFixture {
 protected:
  // Answers each of four samples doubled.
  PredictPictures() {
    model::FakeModelOptions fake;
    fake.width = 4;
    fake.clock = &clock_;
    loader_.Put("pixels", fake);
    config_.instances = 1;
    config_.image.emplace();
    config_.image->size = {2, 2};
    config_.image->channels = model::ImageOptions::Channels::kGrey;
    config_.image->scale = 1;
    config_.image->softmax = model::ImageOptions::Choice::kNo;
  }
  void Serve() {
    ASSERT_TRUE(engine_->Load({"pictures", {{"1", "pixels"}}, config_, {}}));
    model_ = &loader_.last();
  }
  int AwaitStatus(const std::shared_ptr<FakeExchange>& exchange) {
    while (!exchange->status) loop_.AwaitAndRun();
    return *exchange->status;
  }

  registry::ModelConfig config_;
  model::FakeModel* model_ = nullptr;
};

TEST_F(PredictPictures, AnswersABase64PictureWithItsClassesBestFirst) {
  config_.labels = {"a", "b", "c", "d"};
  config_.image->top_k = 3;
  Serve();
  const json answer = Await(Post("/predict/pictures", json{{"image", kPng}}.dump()));
  EXPECT_EQ(answer["predictions"], json::parse(R"([
      {"class_id": 3, "label": "d", "confidence": 80.0},
      {"class_id": 2, "label": "c", "confidence": 60.0},
      {"class_id": 1, "label": "b", "confidence": 40.0}])"));
  EXPECT_EQ(answer["model_name"], "pictures");
  const json& times = answer["processing_time"];
  double sum = 0;
  for (const json& time : times) sum += time.get<double>();
  EXPECT_DOUBLE_EQ(answer["inference_time_ms"], sum);
}

TEST_F(PredictPictures, MakesProbabilitiesOfLogits) {
  config_.image->softmax = model::ImageOptions::Choice::kAuto;
  config_.image->scale = 0.01;
  Serve();
  const json answer = Await(Post("/predict/pictures", json{{"image", kPng}}.dump()));
  // softmax(0.2, 0.4, 0.6, 0.8)
  EXPECT_NEAR(answer["predictions"][0]["confidence"], 0.32918, 1e-5);
  EXPECT_NEAR(answer["predictions"][3]["confidence"], 0.18066, 1e-5);
}

TEST_F(PredictPictures, LeavesWhatIsADistributionAlready) {
  config_.image->softmax = model::ImageOptions::Choice::kAuto;
  config_.image->scale = 0.005;
  Serve();
  const json answer = Await(Post("/predict/pictures", json{{"image", kPng}}.dump()));
  EXPECT_NEAR(answer["predictions"][0]["confidence"], 0.4, 1e-6);
}

TEST_F(PredictPictures, TakesAPictureAsTheBody) {
  Serve();
  const json answer = Await(Post("/predict/pictures", kPngBytes, {{"Content-Type", "image/png"}}));
  EXPECT_EQ(answer["predictions"][0], json::parse(R"({"class_id": 3, "confidence": 80.0})"));
}

TEST_F(PredictPictures, TakesTheFileOfAForm) {
  Serve();
  const std::string body =
      "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n" +
      kPngBytes + "\r\n--x--\r\n";
  const json answer =
      Await(Post("/predict/pictures", body, {{"Content-Type", "multipart/form-data; boundary=x"}}));
  EXPECT_EQ(answer["predictions"][0]["class_id"], 3);
}

TEST_F(PredictPictures, KeepsTheSlotsOfABatchInOrder) {
  Serve();
  const json body = {{"images", {"?", kPng, 5, "data:image/png;base64," + kPng, "aGVsbG8="}},
                     {"top_k", 1}};
  const json answer = Await(Post("/predict/pictures/batch", body.dump()));
  ASSERT_EQ(answer["results"].size(), 5u);
  EXPECT_EQ(answer["success_count"], 2);
  EXPECT_EQ(answer["error_count"], 3);
  for (const int i : {1, 3}) {
    EXPECT_EQ(answer["results"][i],
              json::parse(R"({"predictions": [{"class_id": 3, "confidence": 80.0}]})"));
  }
  const auto error = [&](int i) { return answer["results"][i]["error"].get<std::string>(); };
  EXPECT_TRUE(error(0).starts_with("images[0]: expected base64")) << error(0);
  EXPECT_EQ(error(2), "images[2]: expected a picture in base64, got 5");
  EXPECT_TRUE(error(4).starts_with("images[4]: expected a JPEG, PNG or WebP")) << error(4);
  EXPECT_EQ(answer["results"][0]["predictions"], nullptr);
}

TEST_F(PredictPictures, AnswersABatchOfWhichNothingCouldBeRead) {
  Serve();
  const json answer = Await(Post("/predict/pictures", R"({"images": ["", 1]})"));
  EXPECT_EQ(answer["success_count"], 0);
  EXPECT_EQ(answer["error_count"], 2);
}

TEST_F(PredictPictures, ReadsWhatJsonHasEscaped) {
  Serve();
  std::string escaped = kPng;
  for (std::size_t at = 0; (at = escaped.find('/', at)) != std::string::npos; at += 2) {
    escaped.insert(at, 1, '\\');
  }
  ASSERT_NE(escaped, kPng);
  const json answer = Await(Post("/predict/pictures", R"({"image": ")" + escaped + R"("})"));
  EXPECT_EQ(answer["predictions"][0]["confidence"], 80.0);
}

TEST_F(PredictPictures, RefusesWhatIsNoPictureOfItsType) {
  Serve();
  for (const auto& [body, type, reason] :
       {std::tuple{kPngBytes, "image/jpeg", "IMAGE_FORMAT"},
        {kPngBytes.substr(0, 60), "image/png", "IMAGE_TRUNCATED"},
        {std::string("GIF89a"), "multipart/form-data; boundary=x", "MULTIPART"},
        {std::string(), "image/webp", "IMAGE_FORMAT"},
        {json{{"image", 3}}.dump(), "application/json", "TYPE"},
        {json{{"image", "a"}}.dump(), "application/json", "BASE64"},
        {json{{"images", json::array()}}.dump(), "application/json", "EMPTY_BATCH"}}) {
    const auto exchange = Post("/predict/pictures", body, {{"Content-Type", type}});
    EXPECT_EQ(AwaitStatus(exchange), 400) << type;
    EXPECT_EQ(exchange->error->Reason(), reason) << exchange->error->message;
  }
}

TEST_F(PredictPictures, RefusesPicturesForModelsThatTakeNone) {
  const auto json_body = Post("/predict/example", json{{"image", kPng}}.dump());
  EXPECT_EQ(AwaitStatus(json_body), 400);
  EXPECT_EQ(json_body->error->Reason(), "FIELD");
  const auto file = Post("/predict/example", "x", {{"Content-Type", "image/png"}});
  EXPECT_EQ(AwaitStatus(file), 415);
}

TEST_F(PredictPictures, ExpiresWithOneDeadlineForDecodingAndPrediction) {
  Serve();
  model_->Hold();
  const auto running = Post("/predict/pictures", json{{"image", kPng}}.dump());
  loop_.AwaitAndRun();  // its row is made
  model_->AwaitRunning(1);
  const auto late = Post("/predict/pictures", json{{"image", kPng}, {"timeout", 0.005}}.dump());
  loop_.AwaitAndRun();
  clock_.Advance(milliseconds(6));
  model_->Release();
  EXPECT_EQ(AwaitStatus(late), 504);
  EXPECT_EQ(AwaitStatus(running), 200);
}

TEST_F(PredictPictures, RefusesAQueryItDoesNotKnow) {
  Serve();
  auto exchange = std::make_shared<FakeExchange>(loop_, Method::kPost, "/predict/pictures", "");
  exchange->headers = {{"Content-Type", "image/png"}};
  exchange->queries = {{"topk", "3"}};
  exchange->parameters = {{"model", "pictures"}};
  const auto match = routes_->Find(Method::kPost, "/predict/pictures");
  const base::Status refused = match->route->admit(*exchange);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("`top_k`"), std::string::npos);
}

}  // namespace
}  // namespace muster::server::api
