package main

import (
	"fmt"
	"math"

	typev1 "example.com/quintet-client/gen/quintet/type/v1"
)

// card is what a product card on a page needs.
type card struct {
	RecommendationID string  `json:"recommendation_id"`
	ProductID        string  `json:"product_id"`
	ProductName      string  `json:"product_name"`
	Price            string  `json:"price"`
	Algorithm        string  `json:"algorithm"`
	Score            float64 `json:"score"`
	Reason           string  `json:"reason"`
}

func newCard(item *typev1.Recommendation) card {
	return card{
		RecommendationID: item.GetRecommendationId(),
		ProductID:        item.GetProductId(),
		ProductName:      item.GetProductName(),
		Price:            money(item.GetPrice()),
		Algorithm:        item.GetAlgorithm(),
		Score:            rounded(item.GetScore()),
		Reason:           item.GetReason().GetText(),
	}
}

// money returns an amount for people, and nothing for none. Two decimals suit most currencies; a shop that sells in JPY
// or KWD asks ISO 4217.
func money(amount *typev1.Money) string {
	if amount == nil {
		return ""
	}
	return fmt.Sprintf("%.2f %s", float64(amount.GetAmountMinor())/100, amount.GetCurrencyCode())
}

func rounded(value float64) float64 {
	return math.Round(value*1000) / 1000
}
