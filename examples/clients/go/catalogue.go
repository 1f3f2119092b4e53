package main

import (
	"context"
	"fmt"
	"slices"

	pb "example.com/quintet-client/gen/quintet/coordinator/v1"
	typev1 "example.com/quintet-client/gen/quintet/type/v1"
)

const (
	oldPrice = 899
	newPrice = 449
	// affordable is above the new price and below the old one, in whole units of the currency, as filters have it.
	affordable = "5.00"
)

var names = []string{"Example espresso", "Example filter coffee", "Example decaf"}

// catalogue is the platform's side of the journey: a few products of its own, a new price for one of them, and their
// removal. They are of a brand that nobody else has, so that a run meets neither the shop's own nor those of another run.
type catalogue struct {
	client pb.CoordinatorServiceClient
	brand  string
	ids    []string
}

func newCatalogue(client pb.CoordinatorServiceClient) *catalogue {
	run := newID()
	ids := make([]string, len(names))
	for i := range names {
		ids[i] = fmt.Sprintf("example-go-%s-%d", run, i)
	}
	return &catalogue{client: client, brand: "Example " + run, ids: ids}
}

// filter returns an expression that holds for the product with the new price alone.
func (c *catalogue) filter() string {
	return fmt.Sprintf("brand = %q AND price < %s", c.brand, affordable)
}

// importProducts sends the products as a stream, which takes a catalogue of any size; sending it again does no harm.
func (c *catalogue) importProducts(ctx context.Context) (fields, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	stream, err := c.client.ImportProducts(ctx)
	if err != nil {
		return nil, err
	}
	for i, id := range c.ids {
		product := &typev1.Product{ProductId: id, Name: names[i], Category: "Coffee", Brand: c.brand, Price: usd(oldPrice)}
		if stream.Send(&pb.ImportProductsRequest{Product: product}) != nil {
			break // the server ended the call: CloseAndRecv says why
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return nil, err
	}
	if int(answer.GetCreated()) != len(c.ids) {
		return nil, fmt.Errorf("expected %d new products, got %d", len(c.ids), answer.GetCreated())
	}
	return fields{{"product_ids", c.ids}, {"created", answer.GetCreated()}, {"rejected", answer.GetRejected()}}, nil
}

// changePrice changes a price alone; what is stored of the product otherwise stays.
func (c *catalogue) changePrice(ctx context.Context) (fields, error) {
	id := c.ids[0]
	update := &typev1.PriceUpdate{ProductId: id, Change: &typev1.PriceUpdate_Price{Price: usd(newPrice)}}
	if _, err := c.client.UpdatePrices(ctx, &pb.UpdatePricesRequest{Updates: []*typev1.PriceUpdate{update}}); err != nil {
		return nil, err
	}
	answer, err := c.client.GetProduct(ctx, &pb.GetProductRequest{ProductId: id})
	if err != nil {
		return nil, err
	}
	name, price := answer.GetProduct().GetName(), answer.GetProduct().GetPrice().GetAmountMinor()
	if name != names[0] || price != newPrice {
		return nil, fmt.Errorf("expected %s at %d, got %s at %d", names[0], newPrice, name, price)
	}
	return fields{{"product_id", id}, {"amount_minor", price}}, nil
}

func (c *catalogue) deleteProducts(ctx context.Context) (fields, error) {
	deleted := make([]bool, len(c.ids))
	for i, id := range c.ids {
		answer, err := c.client.DeleteProduct(ctx, &pb.DeleteProductRequest{ProductId: id})
		if err != nil {
			return nil, err
		}
		deleted[i] = answer.GetDeleted()
	}
	if slices.Contains(deleted, false) {
		return nil, fmt.Errorf("expected each product deleted, got %v", deleted)
	}
	return fields{{"deleted", deleted}}, nil
}

func usd(amountMinor int64) *typev1.Money {
	return &typev1.Money{CurrencyCode: "USD", AmountMinor: amountMinor}
}
