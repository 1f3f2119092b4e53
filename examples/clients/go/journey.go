package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	pb "example.com/quintet-client/gen/quintet/coordinator/v1"
	typev1 "example.com/quintet-client/gen/quintet/type/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const limit = 5

// journey holds what the shopper sees and does; its methods are the steps, in order, and return what they report.
type journey struct {
	client     pb.CoordinatorServiceClient
	catalogue  *catalogue
	customerID string
	region     string
	age        int32
	firstHome  []string
	shown      []*typev1.Recommendation
	viewed     []string
	chosen     *typev1.Recommendation
}

type step struct {
	name string
	run  func(context.Context) (fields, error)
}

func newJourney(client pb.CoordinatorServiceClient, region string, age int32) *journey {
	return &journey{client: client, catalogue: newCatalogue(client), customerID: "example-go-" + newID(), region: region, age: age}
}

func (j *journey) steps() []step {
	return []step{
		{"register_customer", j.register},
		{"import_products", j.catalogue.importProducts},
		{"price_change", j.catalogue.changePrice},
		{"home", j.home},
		{"view_1", j.view},
		{"view_2_click", j.click},
		{"view_3", j.view},
		{"search", j.search},
		{"add_to_cart", j.addToCart},
		{"purchase", j.purchase},
		{"post_purchase", j.postPurchase},
		{"home_after_purchase", j.homeAfterPurchase},
		{"placement", j.placement},
		{"rank", j.rank},
		{"feedback_shown", j.feedback(typev1.InteractionType_INTERACTION_TYPE_SHOWN)},
		{"feedback_click", j.feedback(typev1.InteractionType_INTERACTION_TYPE_CLICK)},
		{"duplicate_event", j.duplicateEvent},
		{"bad_request", j.badRequest},
		{"profile", j.profile},
		{"similar_products", j.similarProducts},
		{"delete_products", j.catalogue.deleteProducts},
		{"delete_customer", j.delete},
		{"profile_gone", j.profileGone},
	}
}

func (j *journey) register(ctx context.Context) (fields, error) {
	answer, err := j.client.RegisterCustomer(ctx, &pb.RegisterCustomerRequest{Customer: &typev1.Customer{
		CustomerId:   j.customerID,
		Demographics: &typev1.Demographics{Region: j.region, Age: &j.age},
	}})
	if err != nil {
		return nil, err
	}
	if id := answer.GetCustomer().GetCustomerId(); id != j.customerID {
		return nil, fmt.Errorf("expected customer %s, got %s", j.customerID, id)
	}
	return fields{{"customer_id", j.customerID}, {"region", j.region}, {"age", j.age}}, nil
}

func (j *journey) home(ctx context.Context) (fields, error) {
	facts, err := j.recommend(ctx, typev1.PageType_PAGE_TYPE_HOME)
	j.firstHome = j.shownIDs()
	return facts, err
}

func (j *journey) view(ctx context.Context) (fields, error) {
	pick, err := j.nextPick()
	if err != nil {
		return nil, err
	}
	return j.lookAt(ctx, pick, &typev1.Event{})
}

// click views a product by clicking on its recommendation: with its id the purchase to come is credited to it.
func (j *journey) click(ctx context.Context) (fields, error) {
	pick, err := j.nextPick()
	if err != nil {
		return nil, err
	}
	j.chosen = pick
	return j.lookAt(ctx, pick, &typev1.Event{RecommendationId: pick.GetRecommendationId()})
}

func (j *journey) search(ctx context.Context) (fields, error) {
	query := ""
	for _, word := range strings.Fields(j.shown[0].GetProductName()) {
		if len(word) > len(query) {
			query = word
		}
	}
	facts, err := j.record(ctx, &typev1.Event{Detail: &typev1.Event_Search{Search: &typev1.Search{Query: query}}})
	return append(fields{{"query", query}}, facts...), err
}

func (j *journey) addToCart(ctx context.Context) (fields, error) {
	line := &typev1.ProductQuantity{ProductId: j.chosen.GetProductId(), Quantity: proto.Float64(1)}
	cart := &typev1.AddToCart{Items: []*typev1.ProductQuantity{line}}
	facts, err := j.record(ctx, &typev1.Event{Detail: &typev1.Event_AddToCart{AddToCart: cart}})
	return append(fields{{"product_id", line.ProductId}}, facts...), err
}

func (j *journey) purchase(ctx context.Context) (fields, error) {
	amount := j.chosen.GetPrice()
	if amount == nil {
		amount = &typev1.Money{CurrencyCode: "USD", AmountMinor: 499}
	}
	line := &typev1.PurchaseLine{ProductId: j.chosen.GetProductId(), Quantity: proto.Float64(1), Amount: amount}
	purchase := &typev1.Purchase{PurchaseId: "order-" + newID(), Items: []*typev1.PurchaseLine{line}}
	event := j.event(&typev1.Event{Detail: &typev1.Event_Purchase{Purchase: purchase}})
	answer, err := j.client.RecordEvent(ctx, &pb.RecordEventRequest{Event: event})
	if err != nil {
		return nil, err
	}
	if answer.GetDuplicate() {
		return nil, errors.New("expected a new purchase")
	}
	return fields{{"purchase_id", purchase.PurchaseId}, {"product_id", line.ProductId}, {"amount", money(amount)}}, nil
}

func (j *journey) postPurchase(ctx context.Context) (fields, error) {
	facts, err := j.recommend(ctx, typev1.PageType_PAGE_TYPE_POST_PURCHASE)
	if err != nil {
		return nil, err
	}
	return facts, j.purchasedIsGone()
}

func (j *journey) homeAfterPurchase(ctx context.Context) (fields, error) {
	facts, err := j.recommend(ctx, typev1.PageType_PAGE_TYPE_HOME)
	if err != nil {
		return nil, err
	}
	if now := j.shownIDs(); slices.Equal(now, j.firstHome) {
		return nil, fmt.Errorf("expected other recommendations than before the journey, got %v again", now)
	}
	return facts, j.purchasedIsGone()
}

func (j *journey) feedback(interaction typev1.InteractionType) func(context.Context) (fields, error) {
	return func(ctx context.Context) (fields, error) {
		pick := j.shown[0]
		answer, err := j.client.RecordFeedback(ctx, &pb.RecordFeedbackRequest{Feedback: &typev1.Feedback{
			FeedbackId:       newID(),
			RecommendationId: pick.GetRecommendationId(),
			InteractionType:  interaction,
		}})
		if err != nil {
			return nil, err
		}
		if answer.GetDuplicate() {
			return nil, errors.New("expected new feedback")
		}
		return fields{{"recommendation_id", pick.GetRecommendationId()}, {"product_name", pick.GetProductName()}}, nil
	}
}

// duplicateEvent sends one event twice, as a client does that never saw the first answer.
func (j *journey) duplicateEvent(ctx context.Context) (fields, error) {
	event := j.event(&typev1.Event{Detail: &typev1.Event_HomeView{HomeView: &typev1.HomeView{}}})
	var duplicate []bool
	for range 2 {
		answer, err := j.client.RecordEvent(ctx, &pb.RecordEventRequest{Event: event})
		if err != nil {
			return nil, err
		}
		duplicate = append(duplicate, answer.GetDuplicate())
	}
	if !slices.Equal(duplicate, []bool{false, true}) {
		return nil, fmt.Errorf("expected the second event to be a duplicate of the first, got %v", duplicate)
	}
	return fields{{"event_id", event.GetEventId()}, {"duplicate", duplicate}}, nil
}

func (j *journey) badRequest(ctx context.Context) (fields, error) {
	view := &typev1.ProductView{ProductId: j.chosen.GetProductId(), DurationSeconds: -1}
	_, err := j.record(ctx, &typev1.Event{Detail: &typev1.Event_ProductView{ProductView: view}})
	if err := refused(err, "INVALID_ARGUMENT"); err != nil {
		return nil, err
	}
	wrong, violations := []string{}, []fields{}
	for _, each := range fieldViolations(err) {
		wrong = append(wrong, each.GetField())
		violations = append(violations, fields{{"field", each.GetField()}, {"description", each.GetDescription()}})
	}
	if field := "event.product_view.duration_seconds"; !slices.Equal(wrong, []string{field}) {
		return nil, fmt.Errorf("expected a violation of %s, got %v", field, wrong)
	}
	return fields{{"status", statusName(err)}, {"violations", violations}}, nil
}

func (j *journey) profile(ctx context.Context) (fields, error) {
	answer, err := j.client.GetCustomerProfile(ctx, &pb.GetCustomerProfileRequest{CustomerId: j.customerID})
	if err != nil {
		return nil, err
	}
	profile := answer.GetProfile()
	views, purchases := productIDs(profile.GetViews()), productIDs(profile.GetPurchases())
	for _, id := range j.viewed {
		if !slices.Contains(views, id) {
			return nil, fmt.Errorf("expected views of %v in the profile, got %v", j.viewed, views)
		}
	}
	if bought := j.chosen.GetProductId(); !slices.Equal(purchases, []string{bought}) {
		return nil, fmt.Errorf("expected one purchase of %s, got %v", bought, purchases)
	}
	likes := []fields{}
	for _, each := range profile.GetPreferences().GetCategories() {
		likes = append(likes, fields{{"category", each.GetValue()}, {"share", rounded(each.GetShare())}})
	}
	segments := []fields{}
	for _, each := range profile.GetSegments() {
		segments = append(segments, fields{{"segment", each.GetSegmentName()}, {"confidence", rounded(each.GetConfidence())}})
	}
	return fields{{"views", views}, {"purchases", purchases}, {"categories", likes}, {"segments", segments}}, nil
}

func (j *journey) similarProducts(ctx context.Context) (fields, error) {
	id := j.chosen.GetProductId()
	answer, err := j.client.GetSimilarProducts(ctx, &pb.GetSimilarProductsRequest{ProductId: id, Limit: limit})
	if err != nil {
		return nil, err
	}
	similar := []fields{}
	for _, each := range answer.GetRelated() {
		if each.GetProduct().GetProductId() == id {
			return nil, fmt.Errorf("expected others than %s", id)
		}
		similar = append(similar, fields{{"product_name", each.GetProduct().GetName()}, {"score", rounded(each.GetScore())}})
	}
	if len(similar) == 0 {
		return nil, fmt.Errorf("expected others than %s, got none", id)
	}
	return fields{{"product_id", id}, {"similar", similar}}, nil
}

func (j *journey) delete(ctx context.Context) (fields, error) {
	answer, err := j.client.DeleteCustomer(ctx, &pb.DeleteCustomerRequest{CustomerId: j.customerID})
	if err != nil {
		return nil, err
	}
	receipt := answer.GetReceipt()
	erased := []fields{}
	for _, each := range receipt.GetErased() {
		erased = append(erased, fields{{"table", each.GetTable()}, {"rows", each.GetRows()}})
	}
	id := receipt.GetReceiptId()
	if id == "" || len(erased) == 0 {
		return nil, fmt.Errorf("expected a receipt with rows, got %q and %d tables", id, len(erased))
	}
	return fields{{"receipt_id", id}, {"erased", erased}, {"models_note", receipt.GetModelsNote()}}, nil
}

func (j *journey) profileGone(ctx context.Context) (fields, error) {
	_, err := j.client.GetCustomerProfile(ctx, &pb.GetCustomerProfileRequest{CustomerId: j.customerID})
	if err := refused(err, "NOT_FOUND"); err != nil {
		return nil, err
	}
	return fields{{"status", statusName(err)}}, nil
}

// event makes an event the shopper's. The id makes it safe to send again.
func (j *journey) event(event *typev1.Event) *typev1.Event {
	event.EventId, event.CustomerId = newID(), j.customerID
	return event
}

// record records an event, asks for fresh recommendations in the same call and shows them.
func (j *journey) record(ctx context.Context, event *typev1.Event) (fields, error) {
	answer, err := j.client.RecordEvent(ctx, &pb.RecordEventRequest{
		Event:     j.event(event),
		Recommend: &pb.RecommendationOptions{Limit: limit},
	})
	if err != nil {
		return nil, err
	}
	if answer.GetDuplicate() {
		return nil, errors.New("expected a new event")
	}
	return j.show(answer.GetRecommendations())
}

func (j *journey) lookAt(ctx context.Context, pick *typev1.Recommendation, event *typev1.Event) (fields, error) {
	id := pick.GetProductId()
	event.Detail = &typev1.Event_ProductView{
		ProductView: &typev1.ProductView{ProductId: id, DurationSeconds: 30, Scrolls: 2},
	}
	facts, err := j.record(ctx, event)
	j.viewed = append(j.viewed, id)
	return append(fields{{"product_id", id}, {"product_name", pick.GetProductName()}}, facts...), err
}

// nextPick returns the best recommendation on screen that the shopper has not looked at.
func (j *journey) nextPick() (*typev1.Recommendation, error) {
	for _, each := range j.shown {
		if !slices.Contains(j.viewed, each.GetProductId()) {
			return each, nil
		}
	}
	return nil, errors.New("expected a recommendation that was not viewed yet")
}

func (j *journey) recommend(ctx context.Context, page typev1.PageType) (fields, error) {
	answer, err := j.client.GetRecommendations(ctx, &pb.GetRecommendationsRequest{
		CustomerId: j.customerID,
		Context:    &typev1.RecommendationContext{PageType: page},
		Limit:      limit,
	})
	if err != nil {
		return nil, err
	}
	return j.show(answer.GetList())
}

// show takes the answer as what is on the shopper's screen now.
func (j *journey) show(list *typev1.RecommendationList) (fields, error) {
	if len(list.GetRecommendations()) == 0 {
		return nil, errors.New("expected recommendations, got none")
	}
	j.shown = list.GetRecommendations()
	cards := make([]card, len(j.shown))
	for i, each := range j.shown {
		cards[i] = newCard(each)
	}
	fallbacks := append([]string{}, list.GetFallbacks()...) // never nil: JSON shall say [], not null
	return fields{{"strategy", list.GetStrategy()}, {"fallbacks", fallbacks}, {"recommendations", cards}}, nil
}

func (j *journey) shownIDs() []string {
	ids := make([]string, len(j.shown))
	for i, each := range j.shown {
		ids[i] = each.GetProductId()
	}
	return ids
}

func (j *journey) purchasedIsGone() error {
	if bought := j.chosen.GetProductId(); slices.Contains(j.shownIDs(), bought) {
		return fmt.Errorf("expected purchased product %s not recommended", bought)
	}
	return nil
}

// refused returns nil when a call ended with the wanted status, and otherwise what is wrong.
func refused(err error, want string) error {
	if err == nil {
		return errors.New("expected an error, got an answer")
	}
	if _, ok := status.FromError(err); !ok {
		return err
	}
	if got := statusName(err); got != want {
		return fmt.Errorf("expected %s, got %s", want, got)
	}
	return nil
}

func productIDs(interactions []*typev1.ProductInteraction) []string {
	ids := make([]string, len(interactions))
	for i, each := range interactions {
		ids[i] = each.GetProductId()
	}
	return ids
}

func newID() string {
	return strings.ToLower(rand.Text())
}
