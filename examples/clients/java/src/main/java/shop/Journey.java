package shop;

import static shop.Checks.check;
import static shop.Report.fields;

import com.google.protobuf.InvalidProtocolBufferException;
import com.quintetrecommendations.quintet.coordinator.v1.CoordinatorServiceGrpc.CoordinatorServiceBlockingV2Stub;
import com.quintetrecommendations.quintet.coordinator.v1.DeleteCustomerRequest;
import com.quintetrecommendations.quintet.coordinator.v1.GetCustomerProfileRequest;
import com.quintetrecommendations.quintet.coordinator.v1.GetRecommendationsRequest;
import com.quintetrecommendations.quintet.coordinator.v1.GetSimilarProductsRequest;
import com.quintetrecommendations.quintet.coordinator.v1.RankProductsRequest;
import com.quintetrecommendations.quintet.coordinator.v1.RecommendationOptions;
import com.quintetrecommendations.quintet.coordinator.v1.RecordEventRequest;
import com.quintetrecommendations.quintet.coordinator.v1.RecordEventResponse;
import com.quintetrecommendations.quintet.coordinator.v1.RecordFeedbackRequest;
import com.quintetrecommendations.quintet.coordinator.v1.RegisterCustomerRequest;
import com.quintetrecommendations.quintet.type.v1.AddToCart;
import com.quintetrecommendations.quintet.type.v1.Customer;
import com.quintetrecommendations.quintet.type.v1.Demographics;
import com.quintetrecommendations.quintet.type.v1.Event;
import com.quintetrecommendations.quintet.type.v1.Feedback;
import com.quintetrecommendations.quintet.type.v1.HomeView;
import com.quintetrecommendations.quintet.type.v1.InteractionType;
import com.quintetrecommendations.quintet.type.v1.Money;
import com.quintetrecommendations.quintet.type.v1.PageType;
import com.quintetrecommendations.quintet.type.v1.ProductInteraction;
import com.quintetrecommendations.quintet.type.v1.ProductQuantity;
import com.quintetrecommendations.quintet.type.v1.ProductView;
import com.quintetrecommendations.quintet.type.v1.Purchase;
import com.quintetrecommendations.quintet.type.v1.PurchaseLine;
import com.quintetrecommendations.quintet.type.v1.RankedProduct;
import com.quintetrecommendations.quintet.type.v1.Recommendation;
import com.quintetrecommendations.quintet.type.v1.RecommendationContext;
import com.quintetrecommendations.quintet.type.v1.RecommendationFilter;
import com.quintetrecommendations.quintet.type.v1.RecommendationList;
import com.quintetrecommendations.quintet.type.v1.Search;
import io.grpc.StatusException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;

/** The steps of one shopper, in order; each returns what it reports. */
final class Journey {

    /** What a step does. */
    interface Action {
        Map<String, Object> run() throws StatusException, InterruptedException, InvalidProtocolBufferException;
    }

    /** A step by its name. */
    record Step(String name, Action action) {}

    private static final int LIMIT = 5;
    private static final String PLACEMENT = "home";

    private final CoordinatorServiceBlockingV2Stub stub;
    private final String region;
    private final int age;
    private final Catalogue catalogue;
    private final String customerId = "example-java-" + newId().substring(0, 12);
    private final List<String> viewed = new ArrayList<>();
    private List<String> firstHome = List.of();
    private List<Recommendation> shown = List.of();
    private Recommendation chosen = Recommendation.getDefaultInstance();

    Journey(CoordinatorServiceBlockingV2Stub stub, String region, int age) {
        this.stub = stub;
        this.region = region;
        this.age = age;
        catalogue = new Catalogue(stub);
    }

    List<Step> steps() {
        return List.of(
                new Step("register_customer", this::register),
                new Step("import_products", catalogue::importProducts),
                new Step("price_change", catalogue::changePrice),
                new Step("home", this::home),
                new Step("view_1", this::view),
                new Step("view_2_click", this::click),
                new Step("view_3", this::view),
                new Step("search", this::search),
                new Step("add_to_cart", this::addToCart),
                new Step("purchase", this::purchase),
                new Step("post_purchase", this::postPurchase),
                new Step("home_after_purchase", this::homeAfterPurchase),
                new Step("placement", this::placement),
                new Step("rank", this::rank),
                new Step("feedback_shown", () -> feedback(InteractionType.INTERACTION_TYPE_SHOWN)),
                new Step("feedback_click", () -> feedback(InteractionType.INTERACTION_TYPE_CLICK)),
                new Step("duplicate_event", this::duplicateEvent),
                new Step("bad_request", this::badRequest),
                new Step("profile", this::profile),
                new Step("similar_products", this::similarProducts),
                new Step("delete_products", catalogue::deleteProducts),
                new Step("delete_customer", this::delete),
                new Step("profile_gone", this::profileGone));
    }

    private Map<String, Object> register() throws StatusException {
        Customer.Builder customer = Customer.newBuilder()
                .setCustomerId(customerId).setDemographics(Demographics.newBuilder().setRegion(region).setAge(age));
        String stored = stub.registerCustomer(RegisterCustomerRequest.newBuilder().setCustomer(customer).build())
                .getCustomer().getCustomerId();
        check(stored.equals(customerId), "customer %s, got %s", customerId, stored);
        return fields("customer_id", customerId, "region", region, "age", age);
    }

    private Map<String, Object> home() throws StatusException {
        Map<String, Object> facts = recommend(PageType.PAGE_TYPE_HOME);
        firstHome = shownIds();
        return facts;
    }

    private Map<String, Object> view() throws StatusException {
        return lookAt(nextPick(), event());
    }

    /** View a product by clicking on its recommendation: with its id the purchase to come is credited to it. */
    private Map<String, Object> click() throws StatusException {
        chosen = nextPick();
        return lookAt(chosen, event().setRecommendationId(chosen.getRecommendationId()));
    }

    private Map<String, Object> search() throws StatusException {
        String query = Stream.of(shown.get(0).getProductName().split("\\s+"))
                .reduce("", (longest, word) -> word.length() > longest.length() ? word : longest);
        return with(recordAndShow(event().setSearch(Search.newBuilder().setQuery(query))), "query", query);
    }

    private Map<String, Object> addToCart() throws StatusException {
        String id = chosen.getProductId();
        ProductQuantity.Builder line = ProductQuantity.newBuilder().setProductId(id).setQuantity(1);
        return with(recordAndShow(event().setAddToCart(AddToCart.newBuilder().addItems(line))), "product_id", id);
    }

    private Map<String, Object> purchase() throws StatusException {
        Money amount = chosen.hasPrice() ? chosen.getPrice() : Catalogue.usd(499);
        PurchaseLine.Builder line =
                PurchaseLine.newBuilder().setProductId(chosen.getProductId()).setQuantity(1).setAmount(amount);
        Purchase.Builder purchase = Purchase.newBuilder().setPurchaseId("order-" + newId()).addItems(line);
        RecordEventResponse answer =
                stub.recordEvent(RecordEventRequest.newBuilder().setEvent(event().setPurchase(purchase)).build());
        check(!answer.getDuplicate(), "a new purchase");
        return fields("purchase_id", purchase.getPurchaseId(), "product_id", line.getProductId(), "amount", Card.money(amount));
    }

    private Map<String, Object> postPurchase() throws StatusException {
        Map<String, Object> facts = recommend(PageType.PAGE_TYPE_POST_PURCHASE);
        checkPurchasedIsGone();
        return facts;
    }

    private Map<String, Object> homeAfterPurchase() throws StatusException {
        Map<String, Object> facts = recommend(PageType.PAGE_TYPE_HOME);
        checkPurchasedIsGone();
        check(!shownIds().equals(firstHome), "other recommendations than before the journey, got %s again", firstHome);
        return facts;
    }

    /** Fill a placement of the page, with a filter that only the product with the new price passes. */
    private Map<String, Object> placement() throws StatusException {
        String filter = catalogue.affordable();
        RecommendationList answer = stub.getRecommendations(GetRecommendationsRequest.newBuilder()
                .setCustomerId(customerId).setPlacementId(PLACEMENT).setLimit(LIMIT)
                .setFilter(RecommendationFilter.newBuilder().setExpression(filter)).build()).getList();
        List<String> found = answer.getRecommendationsList().stream().map(Recommendation::getProductId).toList();
        List<String> wanted = catalogue.ids().subList(0, 1);
        check(found.equals(wanted), "%s alone to pass %s, got %s", wanted, filter, found);
        return with(show(answer), "placement_id", answer.getPlacementId(), "filter", filter);
    }

    /** Have a list of the platform's own ordered for the shopper: here new products, then what HOME showed first. */
    private Map<String, Object> rank() throws StatusException {
        List<String> given = Stream.concat(catalogue.ids().stream(), firstHome.stream()).toList();
        var answer = stub.rankProducts(
                RankProductsRequest.newBuilder().setCustomerId(customerId).addAllProductIds(given).build());
        List<String> ranked = answer.getProductsList().stream().map(RankedProduct::getProductId).toList();
        check(ranked.stream().sorted().toList().equals(given.stream().sorted().toList()), "an order of %s, got %s", given, ranked);
        return fields("strategy", answer.getStrategy(), "fallbacks", List.copyOf(answer.getFallbacksList()), "product_ids", ranked);
    }

    private Map<String, Object> feedback(InteractionType interaction) throws StatusException {
        Recommendation pick = shown.get(0);
        Feedback.Builder feedback = Feedback.newBuilder()
                .setFeedbackId(newId()).setRecommendationId(pick.getRecommendationId()).setInteractionType(interaction);
        var answer = stub.recordFeedback(RecordFeedbackRequest.newBuilder().setFeedback(feedback).build());
        check(!answer.getDuplicate(), "new feedback");
        return fields("recommendation_id", pick.getRecommendationId(), "product_name", pick.getProductName());
    }

    /** Send one event twice, as a client does that never saw the first answer. */
    private Map<String, Object> duplicateEvent() throws StatusException {
        Event event = event().setHomeView(HomeView.getDefaultInstance()).build();
        RecordEventRequest request = RecordEventRequest.newBuilder().setEvent(event).build();
        List<Boolean> duplicate = List.of(stub.recordEvent(request).getDuplicate(), stub.recordEvent(request).getDuplicate());
        check(duplicate.equals(List.of(false, true)), "the second event to be a duplicate of the first, got %s", duplicate);
        return fields("event_id", event.getEventId(), "duplicate", duplicate);
    }

    private Map<String, Object> badRequest() throws InterruptedException, InvalidProtocolBufferException {
        ProductView.Builder view = ProductView.newBuilder().setProductId(chosen.getProductId()).setDurationSeconds(-1);
        StatusException error = refusal(() -> recordAndShow(event().setProductView(view)));
        String status = error.getStatus().getCode().name();
        check(status.equals("INVALID_ARGUMENT"), "INVALID_ARGUMENT, got %s", status);
        List<Map<String, Object>> violations = new ArrayList<>();
        for (var each : Connection.fieldViolations(error)) {
            violations.add(fields("field", each.getField(), "description", each.getDescription()));
        }
        List<Object> wrong = violations.stream().map(each -> each.get("field")).toList();
        String field = "event.product_view.duration_seconds";
        check(wrong.equals(List.of(field)), "a violation of %s, got %s", field, wrong);
        return fields("status", status, "violations", violations);
    }

    private Map<String, Object> profile() throws StatusException {
        var profile = stub.getCustomerProfile(profileOf(customerId)).getProfile();
        List<String> views = profile.getViewsList().stream().map(ProductInteraction::getProductId).toList();
        List<String> purchases = profile.getPurchasesList().stream().map(ProductInteraction::getProductId).toList();
        check(views.containsAll(viewed), "views of %s in the profile, got %s", viewed, views);
        String bought = chosen.getProductId();
        check(purchases.equals(List.of(bought)), "one purchase of %s, got %s", bought, purchases);
        var categories = profile.getPreferences().getCategoriesList().stream()
                .map(each -> fields("category", each.getValue(), "share", Card.rounded(each.getShare()))).toList();
        var segments = profile.getSegmentsList().stream()
                .map(each -> fields("segment", each.getSegmentName(), "confidence", Card.rounded(each.getConfidence()))).toList();
        return fields("views", views, "purchases", purchases, "categories", categories, "segments", segments);
    }

    private Map<String, Object> similarProducts() throws StatusException {
        String id = chosen.getProductId();
        var related = stub.getSimilarProducts(
                GetSimilarProductsRequest.newBuilder().setProductId(id).setLimit(LIMIT).build()).getRelatedList();
        List<String> ids = related.stream().map(each -> each.getProduct().getProductId()).toList();
        check(!ids.isEmpty() && !ids.contains(id), "others than %s, got %s", id, ids);
        var similar = related.stream()
                .map(each -> fields("product_name", each.getProduct().getName(), "score", Card.rounded(each.getScore())))
                .toList();
        return fields("product_id", id, "similar", similar);
    }

    private Map<String, Object> delete() throws StatusException {
        var receipt = stub.deleteCustomer(DeleteCustomerRequest.newBuilder().setCustomerId(customerId).build()).getReceipt();
        var erased = receipt.getErasedList().stream()
                .map(each -> fields("table", each.getTable(), "rows", each.getRows())).toList();
        String id = receipt.getReceiptId();
        check(!id.isEmpty() && !erased.isEmpty(), "a receipt with rows, got '%s' and %s", id, erased);
        return fields("receipt_id", id, "erased", erased, "models_note", receipt.getModelsNote());
    }

    private Map<String, Object> profileGone() throws InterruptedException, InvalidProtocolBufferException {
        StatusException error = refusal(() -> {
            stub.getCustomerProfile(profileOf(customerId));
            return Map.of();
        });
        String status = error.getStatus().getCode().name();
        check(status.equals("NOT_FOUND"), "NOT_FOUND, got %s", status);
        return fields("status", status);
    }

    private static GetCustomerProfileRequest profileOf(String customerId) {
        return GetCustomerProfileRequest.newBuilder().setCustomerId(customerId).build();
    }

    /** Return an event of the shopper. The id makes it safe to send again. */
    private Event.Builder event() {
        return Event.newBuilder().setEventId(newId()).setCustomerId(customerId);
    }

    /** Record an event, ask for fresh recommendations in the same call and show them. */
    private Map<String, Object> recordAndShow(Event.Builder event) throws StatusException {
        RecordEventResponse answer = stub.recordEvent(RecordEventRequest.newBuilder()
                .setEvent(event).setRecommend(RecommendationOptions.newBuilder().setLimit(LIMIT)).build());
        check(!answer.getDuplicate(), "a new event");
        return show(answer.getRecommendations());
    }

    private Map<String, Object> lookAt(Recommendation pick, Event.Builder event) throws StatusException {
        String id = pick.getProductId();
        event.setProductView(ProductView.newBuilder().setProductId(id).setDurationSeconds(30).setScrolls(2));
        Map<String, Object> facts = recordAndShow(event);
        viewed.add(id);
        return with(facts, "product_id", id, "product_name", pick.getProductName());
    }

    /** Return the best recommendation on screen that the shopper has not looked at. */
    private Recommendation nextPick() {
        return shown.stream().filter(each -> !viewed.contains(each.getProductId())).findFirst()
                .orElseThrow(() -> new Checks.CheckFailed("a recommendation that was not viewed yet"));
    }

    private Map<String, Object> recommend(PageType page) throws StatusException {
        return show(stub.getRecommendations(GetRecommendationsRequest.newBuilder()
                .setCustomerId(customerId).setContext(RecommendationContext.newBuilder().setPageType(page)).setLimit(LIMIT)
                .build()).getList());
    }

    /** Take the answer as what is on the shopper's screen now. */
    private Map<String, Object> show(RecommendationList list) {
        check(list.getRecommendationsCount() > 0, "recommendations, got none");
        shown = list.getRecommendationsList();
        return fields("strategy", list.getStrategy(), "fallbacks", List.copyOf(list.getFallbacksList()),
                "recommendations", shown.stream().map(Card::of).toList());
    }

    private List<String> shownIds() {
        return shown.stream().map(Recommendation::getProductId).toList();
    }

    private void checkPurchasedIsGone() {
        String bought = chosen.getProductId();
        check(!shownIds().contains(bought), "purchased product %s not recommended", bought);
    }

    /** Return the error that a call must end with. */
    private static StatusException refusal(Action call) throws InterruptedException, InvalidProtocolBufferException {
        try {
            call.run();
        } catch (StatusException error) {
            return error;
        }
        throw new Checks.CheckFailed("an error, got an answer");
    }

    /** Return facts with others put before them. */
    private static Map<String, Object> with(Map<String, Object> facts, Object... before) {
        Map<String, Object> found = fields(before);
        found.putAll(facts);
        return found;
    }

    static String newId() {
        return UUID.randomUUID().toString().replace("-", "");
    }
}
