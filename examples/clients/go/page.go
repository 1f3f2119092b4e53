package main

import (
	"context"
	"fmt"
	"slices"

	pb "example.com/quintet-client/gen/quintet/coordinator/v1"
	typev1 "example.com/quintet-client/gen/quintet/type/v1"
)

const placementID = "home"

// placement fills a placement of the page, with a filter that only the product with the new price passes.
func (j *journey) placement(ctx context.Context) (fields, error) {
	filter := j.catalogue.filter()
	answer, err := j.client.GetRecommendations(ctx, &pb.GetRecommendationsRequest{
		CustomerId:  j.customerID,
		PlacementId: placementID,
		Limit:       limit,
		Filter:      &typev1.RecommendationFilter{Expression: filter},
	})
	if err != nil {
		return nil, err
	}
	list := answer.GetList()
	facts, err := j.show(list)
	if wanted := j.catalogue.ids[:1]; err == nil && !slices.Equal(j.shownIDs(), wanted) {
		err = fmt.Errorf("expected %v alone to pass %s, got %v", wanted, filter, j.shownIDs())
	}
	return append(fields{{"placement_id", list.GetPlacementId()}, {"filter", filter}}, facts...), err
}

// rank has a list of the platform's own ordered for the shopper: here new products, then what HOME showed first.
func (j *journey) rank(ctx context.Context) (fields, error) {
	given := slices.Concat(j.catalogue.ids, j.firstHome)
	answer, err := j.client.RankProducts(ctx, &pb.RankProductsRequest{CustomerId: j.customerID, ProductIds: given})
	if err != nil {
		return nil, err
	}
	ranked := make([]string, len(answer.GetProducts()))
	for i, each := range answer.GetProducts() {
		ranked[i] = each.GetProductId()
	}
	if !slices.Equal(slices.Sorted(slices.Values(ranked)), slices.Sorted(slices.Values(given))) {
		return nil, fmt.Errorf("expected an order of %v, got %v", given, ranked)
	}
	fallbacks := append([]string{}, answer.GetFallbacks()...)
	return fields{{"strategy", answer.GetStrategy()}, {"fallbacks", fallbacks}, {"product_ids", ranked}}, nil
}
