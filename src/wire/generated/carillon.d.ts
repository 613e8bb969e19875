import * as $protobuf from "protobufjs/minimal.js";
import Long = require("long");

/** Namespace carillon. */
export namespace carillon {

    /** Namespace v1. */
    namespace v1 {

        /**
         * Properties of an Event.
         * @deprecated Use carillon.v1.Event.$Properties instead.
         */
        interface IEvent extends carillon.v1.Event.$Properties {
        }

        /** Represents an Event. */
        class Event {

            /**
             * Constructs a new Event.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Event.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Event subject. */
            subject: string;

            /** Event id. */
            id: string;

            /** Event type. */
            type: string;

            /** Event contentType. */
            contentType: string;

            /** Event data. */
            data: Uint8Array;

            /** Event publishedAtUs. */
            publishedAtUs: number;

            /** Event ttlMs. */
            ttlMs: number;

            /** Event collapseKey. */
            collapseKey: string;

            /** Event priority. */
            priority: number;

            /** Event attributes. */
            attributes: { [k: string]: string };

            /** Event deleted. */
            deleted: boolean;

            /**
             * Encodes the specified Event message. Does not implicitly {@link carillon.v1.Event.verify|verify} messages.
             * @param message Event message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Event.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Event message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Event & carillon.v1.Event.$Shape} Event
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Event & carillon.v1.Event.$Shape;
        }

        namespace Event {

            /** Properties of an Event. */
            interface $Properties {

                /** Event subject */
                subject?: (string|null);

                /** Event id */
                id?: (string|null);

                /** Event type */
                type?: (string|null);

                /** Event contentType */
                contentType?: (string|null);

                /** Event data */
                data?: (Uint8Array|null);

                /** Event publishedAtUs */
                publishedAtUs?: (number|null);

                /** Event ttlMs */
                ttlMs?: (number|null);

                /** Event collapseKey */
                collapseKey?: (string|null);

                /** Event priority */
                priority?: (number|null);

                /** Event attributes */
                attributes?: ({ [k: string]: string }|null);

                /** Event deleted */
                deleted?: (boolean|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Event. */
            type $Shape = carillon.v1.Event.$Properties;
        }

        /**
         * Properties of a ClientFrame.
         * @deprecated Use carillon.v1.ClientFrame.$Properties instead.
         */
        interface IClientFrame extends carillon.v1.ClientFrame.$Properties {
        }

        /** Represents a ClientFrame. */
        class ClientFrame {

            /**
             * Constructs a new ClientFrame.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.ClientFrame.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ClientFrame subscribe. */
            subscribe?: (carillon.v1.Subscribe.$Properties|null);

            /** ClientFrame unsubscribe. */
            unsubscribe?: (carillon.v1.Unsubscribe.$Properties|null);

            /** ClientFrame ping. */
            ping?: (carillon.v1.Ping.$Properties|null);

            /** ClientFrame frame. */
            frame?: ("subscribe"|"unsubscribe"|"ping");

            /**
             * Encodes the specified ClientFrame message. Does not implicitly {@link carillon.v1.ClientFrame.verify|verify} messages.
             * @param message ClientFrame message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.ClientFrame.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ClientFrame message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.ClientFrame & carillon.v1.ClientFrame.$Shape} ClientFrame
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.ClientFrame & carillon.v1.ClientFrame.$Shape;
        }

        namespace ClientFrame {

            /** Properties of a ClientFrame. */
            interface $Properties {

                /** ClientFrame subscribe */
                subscribe?: (carillon.v1.Subscribe.$Properties|null);

                /** ClientFrame unsubscribe */
                unsubscribe?: (carillon.v1.Unsubscribe.$Properties|null);

                /** ClientFrame ping */
                ping?: (carillon.v1.Ping.$Properties|null);

                /** ClientFrame frame */
                frame?: ("subscribe"|"unsubscribe"|"ping");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a ClientFrame. */
            type $Shape = {
              subscribe?: carillon.v1.Subscribe.$Shape|null;
              unsubscribe?: carillon.v1.Unsubscribe.$Shape|null;
              ping?: carillon.v1.Ping.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ frame?: undefined; subscribe?: null; unsubscribe?: null; ping?: null }|{ frame?: "subscribe"; subscribe: carillon.v1.Subscribe.$Shape; unsubscribe?: null; ping?: null }|{ frame?: "unsubscribe"; subscribe?: null; unsubscribe: carillon.v1.Unsubscribe.$Shape; ping?: null }|{ frame?: "ping"; subscribe?: null; unsubscribe?: null; ping: carillon.v1.Ping.$Shape })
            );
        }

        /**
         * Properties of a Subscribe.
         * @deprecated Use carillon.v1.Subscribe.$Properties instead.
         */
        interface ISubscribe extends carillon.v1.Subscribe.$Properties {
        }

        /** Represents a Subscribe. */
        class Subscribe {

            /**
             * Constructs a new Subscribe.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Subscribe.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Subscribe ref. */
            ref: number;

            /** Subscribe subject. */
            subject: string;

            /** Subscribe after. */
            after: string[];

            /** Subscribe last. */
            last: number;

            /** Subscribe policy. */
            policy: carillon.v1.Policy;

            /**
             * Encodes the specified Subscribe message. Does not implicitly {@link carillon.v1.Subscribe.verify|verify} messages.
             * @param message Subscribe message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Subscribe.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Subscribe message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Subscribe & carillon.v1.Subscribe.$Shape} Subscribe
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Subscribe & carillon.v1.Subscribe.$Shape;
        }

        namespace Subscribe {

            /** Properties of a Subscribe. */
            interface $Properties {

                /** Subscribe ref */
                ref?: (number|null);

                /** Subscribe subject */
                subject?: (string|null);

                /** Subscribe after */
                after?: (string[]|null);

                /** Subscribe last */
                last?: (number|null);

                /** Subscribe policy */
                policy?: (carillon.v1.Policy|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Subscribe. */
            type $Shape = carillon.v1.Subscribe.$Properties;
        }

        /** Policy enum. */
        enum Policy {

            /** LOSSLESS value */
            LOSSLESS = 0,

            /** LATEST value */
            LATEST = 1
        }

        /**
         * Properties of an Unsubscribe.
         * @deprecated Use carillon.v1.Unsubscribe.$Properties instead.
         */
        interface IUnsubscribe extends carillon.v1.Unsubscribe.$Properties {
        }

        /** Represents an Unsubscribe. */
        class Unsubscribe {

            /**
             * Constructs a new Unsubscribe.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Unsubscribe.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Unsubscribe ref. */
            ref: number;

            /**
             * Encodes the specified Unsubscribe message. Does not implicitly {@link carillon.v1.Unsubscribe.verify|verify} messages.
             * @param message Unsubscribe message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Unsubscribe.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Unsubscribe message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Unsubscribe & carillon.v1.Unsubscribe.$Shape} Unsubscribe
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Unsubscribe & carillon.v1.Unsubscribe.$Shape;
        }

        namespace Unsubscribe {

            /** Properties of an Unsubscribe. */
            interface $Properties {

                /** Unsubscribe ref */
                ref?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Unsubscribe. */
            type $Shape = carillon.v1.Unsubscribe.$Properties;
        }

        /**
         * Properties of a Ping.
         * @deprecated Use carillon.v1.Ping.$Properties instead.
         */
        interface IPing extends carillon.v1.Ping.$Properties {
        }

        /** Represents a Ping. */
        class Ping {

            /**
             * Constructs a new Ping.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Ping.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Ping t. */
            t: number;

            /**
             * Encodes the specified Ping message. Does not implicitly {@link carillon.v1.Ping.verify|verify} messages.
             * @param message Ping message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Ping.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Ping message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Ping & carillon.v1.Ping.$Shape} Ping
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Ping & carillon.v1.Ping.$Shape;
        }

        namespace Ping {

            /** Properties of a Ping. */
            interface $Properties {

                /** Ping t */
                t?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Ping. */
            type $Shape = carillon.v1.Ping.$Properties;
        }

        /**
         * Properties of a ServerFrame.
         * @deprecated Use carillon.v1.ServerFrame.$Properties instead.
         */
        interface IServerFrame extends carillon.v1.ServerFrame.$Properties {
        }

        /** Represents a ServerFrame. */
        class ServerFrame {

            /**
             * Constructs a new ServerFrame.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.ServerFrame.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ServerFrame welcome. */
            welcome?: (carillon.v1.Welcome.$Properties|null);

            /** ServerFrame subscribed. */
            subscribed?: (carillon.v1.Subscribed.$Properties|null);

            /** ServerFrame delivery. */
            delivery?: (carillon.v1.Delivery.$Properties|null);

            /** ServerFrame live. */
            live?: (carillon.v1.Live.$Properties|null);

            /** ServerFrame gap. */
            gap?: (carillon.v1.Gap.$Properties|null);

            /** ServerFrame unsubscribed. */
            unsubscribed?: (carillon.v1.Unsubscribed.$Properties|null);

            /** ServerFrame pong. */
            pong?: (carillon.v1.Pong.$Properties|null);

            /** ServerFrame error. */
            error?: (carillon.v1.Error.$Properties|null);

            /** ServerFrame frame. */
            frame?: ("welcome"|"subscribed"|"delivery"|"live"|"gap"|"unsubscribed"|"pong"|"error");

            /**
             * Encodes the specified ServerFrame message. Does not implicitly {@link carillon.v1.ServerFrame.verify|verify} messages.
             * @param message ServerFrame message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.ServerFrame.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ServerFrame message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.ServerFrame & carillon.v1.ServerFrame.$Shape} ServerFrame
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.ServerFrame & carillon.v1.ServerFrame.$Shape;
        }

        namespace ServerFrame {

            /** Properties of a ServerFrame. */
            interface $Properties {

                /** ServerFrame welcome */
                welcome?: (carillon.v1.Welcome.$Properties|null);

                /** ServerFrame subscribed */
                subscribed?: (carillon.v1.Subscribed.$Properties|null);

                /** ServerFrame delivery */
                delivery?: (carillon.v1.Delivery.$Properties|null);

                /** ServerFrame live */
                live?: (carillon.v1.Live.$Properties|null);

                /** ServerFrame gap */
                gap?: (carillon.v1.Gap.$Properties|null);

                /** ServerFrame unsubscribed */
                unsubscribed?: (carillon.v1.Unsubscribed.$Properties|null);

                /** ServerFrame pong */
                pong?: (carillon.v1.Pong.$Properties|null);

                /** ServerFrame error */
                error?: (carillon.v1.Error.$Properties|null);

                /** ServerFrame frame */
                frame?: ("welcome"|"subscribed"|"delivery"|"live"|"gap"|"unsubscribed"|"pong"|"error");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a ServerFrame. */
            type $Shape = {
              welcome?: carillon.v1.Welcome.$Shape|null;
              subscribed?: carillon.v1.Subscribed.$Shape|null;
              delivery?: carillon.v1.Delivery.$Shape|null;
              live?: carillon.v1.Live.$Shape|null;
              gap?: carillon.v1.Gap.$Shape|null;
              unsubscribed?: carillon.v1.Unsubscribed.$Shape|null;
              pong?: carillon.v1.Pong.$Shape|null;
              error?: carillon.v1.Error.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ frame?: undefined; welcome?: null; subscribed?: null; delivery?: null; live?: null; gap?: null; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "welcome"; welcome: carillon.v1.Welcome.$Shape; subscribed?: null; delivery?: null; live?: null; gap?: null; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "subscribed"; welcome?: null; subscribed: carillon.v1.Subscribed.$Shape; delivery?: null; live?: null; gap?: null; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "delivery"; welcome?: null; subscribed?: null; delivery: carillon.v1.Delivery.$Shape; live?: null; gap?: null; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "live"; welcome?: null; subscribed?: null; delivery?: null; live: carillon.v1.Live.$Shape; gap?: null; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "gap"; welcome?: null; subscribed?: null; delivery?: null; live?: null; gap: carillon.v1.Gap.$Shape; unsubscribed?: null; pong?: null; error?: null }|{ frame?: "unsubscribed"; welcome?: null; subscribed?: null; delivery?: null; live?: null; gap?: null; unsubscribed: carillon.v1.Unsubscribed.$Shape; pong?: null; error?: null }|{ frame?: "pong"; welcome?: null; subscribed?: null; delivery?: null; live?: null; gap?: null; unsubscribed?: null; pong: carillon.v1.Pong.$Shape; error?: null }|{ frame?: "error"; welcome?: null; subscribed?: null; delivery?: null; live?: null; gap?: null; unsubscribed?: null; pong?: null; error: carillon.v1.Error.$Shape })
            );
        }

        /**
         * Properties of a Welcome.
         * @deprecated Use carillon.v1.Welcome.$Properties instead.
         */
        interface IWelcome extends carillon.v1.Welcome.$Properties {
        }

        /** Represents a Welcome. */
        class Welcome {

            /**
             * Constructs a new Welcome.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Welcome.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Welcome gateway. */
            gateway: string;

            /** Welcome version. */
            version: string;

            /** Welcome limits. */
            limits?: (carillon.v1.Limits.$Properties|null);

            /** Welcome heartbeatMs. */
            heartbeatMs: number;

            /** Welcome nowUs. */
            nowUs: number;

            /**
             * Encodes the specified Welcome message. Does not implicitly {@link carillon.v1.Welcome.verify|verify} messages.
             * @param message Welcome message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Welcome.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Welcome message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Welcome & carillon.v1.Welcome.$Shape} Welcome
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Welcome & carillon.v1.Welcome.$Shape;
        }

        namespace Welcome {

            /** Properties of a Welcome. */
            interface $Properties {

                /** Welcome gateway */
                gateway?: (string|null);

                /** Welcome version */
                version?: (string|null);

                /** Welcome limits */
                limits?: (carillon.v1.Limits.$Properties|null);

                /** Welcome heartbeatMs */
                heartbeatMs?: (number|null);

                /** Welcome nowUs */
                nowUs?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Welcome. */
            type $Shape = carillon.v1.Welcome.$Properties;
        }

        /**
         * Properties of a Limits.
         * @deprecated Use carillon.v1.Limits.$Properties instead.
         */
        interface ILimits extends carillon.v1.Limits.$Properties {
        }

        /** Represents a Limits. */
        class Limits {

            /**
             * Constructs a new Limits.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Limits.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Limits maxFrameBytes. */
            maxFrameBytes: number;

            /** Limits maxEventBytes. */
            maxEventBytes: number;

            /** Limits maxSubjectBytes. */
            maxSubjectBytes: number;

            /** Limits maxSubscriptions. */
            maxSubscriptions: number;

            /**
             * Encodes the specified Limits message. Does not implicitly {@link carillon.v1.Limits.verify|verify} messages.
             * @param message Limits message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Limits.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Limits message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Limits & carillon.v1.Limits.$Shape} Limits
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Limits & carillon.v1.Limits.$Shape;
        }

        namespace Limits {

            /** Properties of a Limits. */
            interface $Properties {

                /** Limits maxFrameBytes */
                maxFrameBytes?: (number|null);

                /** Limits maxEventBytes */
                maxEventBytes?: (number|null);

                /** Limits maxSubjectBytes */
                maxSubjectBytes?: (number|null);

                /** Limits maxSubscriptions */
                maxSubscriptions?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Limits. */
            type $Shape = carillon.v1.Limits.$Properties;
        }

        /**
         * Properties of a Subscribed.
         * @deprecated Use carillon.v1.Subscribed.$Properties instead.
         */
        interface ISubscribed extends carillon.v1.Subscribed.$Properties {
        }

        /** Represents a Subscribed. */
        class Subscribed {

            /**
             * Constructs a new Subscribed.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Subscribed.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Subscribed ref. */
            ref: number;

            /** Subscribed after. */
            after: string;

            /**
             * Encodes the specified Subscribed message. Does not implicitly {@link carillon.v1.Subscribed.verify|verify} messages.
             * @param message Subscribed message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Subscribed.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Subscribed message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Subscribed & carillon.v1.Subscribed.$Shape} Subscribed
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Subscribed & carillon.v1.Subscribed.$Shape;
        }

        namespace Subscribed {

            /** Properties of a Subscribed. */
            interface $Properties {

                /** Subscribed ref */
                ref?: (number|null);

                /** Subscribed after */
                after?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Subscribed. */
            type $Shape = carillon.v1.Subscribed.$Properties;
        }

        /**
         * Properties of a Delivery.
         * @deprecated Use carillon.v1.Delivery.$Properties instead.
         */
        interface IDelivery extends carillon.v1.Delivery.$Properties {
        }

        /** Represents a Delivery. */
        class Delivery {

            /**
             * Constructs a new Delivery.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Delivery.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Delivery after. */
            after: string;

            /** Delivery partition. */
            partition: number;

            /** Delivery offset. */
            offset: number;

            /** Delivery event. */
            event?: (carillon.v1.Event.$Properties|null);

            /** Delivery refs. */
            refs: number[];

            /**
             * Encodes the specified Delivery message. Does not implicitly {@link carillon.v1.Delivery.verify|verify} messages.
             * @param message Delivery message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Delivery.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Delivery message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Delivery & carillon.v1.Delivery.$Shape} Delivery
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Delivery & carillon.v1.Delivery.$Shape;
        }

        namespace Delivery {

            /** Properties of a Delivery. */
            interface $Properties {

                /** Delivery after */
                after?: (string|null);

                /** Delivery partition */
                partition?: (number|null);

                /** Delivery offset */
                offset?: (number|null);

                /** Delivery event */
                event?: (carillon.v1.Event.$Properties|null);

                /** Delivery refs */
                refs?: (number[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Delivery. */
            type $Shape = carillon.v1.Delivery.$Properties;
        }

        /**
         * Properties of a Live.
         * @deprecated Use carillon.v1.Live.$Properties instead.
         */
        interface ILive extends carillon.v1.Live.$Properties {
        }

        /** Represents a Live. */
        class Live {

            /**
             * Constructs a new Live.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Live.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Live ref. */
            ref: number;

            /**
             * Encodes the specified Live message. Does not implicitly {@link carillon.v1.Live.verify|verify} messages.
             * @param message Live message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Live.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Live message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Live & carillon.v1.Live.$Shape} Live
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Live & carillon.v1.Live.$Shape;
        }

        namespace Live {

            /** Properties of a Live. */
            interface $Properties {

                /** Live ref */
                ref?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Live. */
            type $Shape = carillon.v1.Live.$Properties;
        }

        /**
         * Properties of a Gap.
         * @deprecated Use carillon.v1.Gap.$Properties instead.
         */
        interface IGap extends carillon.v1.Gap.$Properties {
        }

        /** Represents a Gap. */
        class Gap {

            /**
             * Constructs a new Gap.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Gap.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Gap refs. */
            refs: number[];

            /** Gap stream. */
            stream: string;

            /** Gap partition. */
            partition: number;

            /** Gap from. */
            from: number;

            /** Gap to. */
            to?: (number|null);

            /** Gap n. */
            n?: (number|null);

            /** Gap reason. */
            reason: carillon.v1.GapReason;

            /** Gap certain. */
            certain: boolean;

            /** Gap after. */
            after: string;

            /**
             * Encodes the specified Gap message. Does not implicitly {@link carillon.v1.Gap.verify|verify} messages.
             * @param message Gap message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Gap.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Gap message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Gap & carillon.v1.Gap.$Shape} Gap
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Gap & carillon.v1.Gap.$Shape;
        }

        namespace Gap {

            /** Properties of a Gap. */
            interface $Properties {

                /** Gap refs */
                refs?: (number[]|null);

                /** Gap stream */
                stream?: (string|null);

                /** Gap partition */
                partition?: (number|null);

                /** Gap from */
                from?: (number|null);

                /** Gap to */
                to?: (number|null);

                /** Gap n */
                n?: (number|null);

                /** Gap reason */
                reason?: (carillon.v1.GapReason|null);

                /** Gap certain */
                certain?: (boolean|null);

                /** Gap after */
                after?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Gap. */
            type $Shape = carillon.v1.Gap.$Properties;
        }

        /** GapReason enum. */
        enum GapReason {

            /** GAP_REASON_UNSPECIFIED value */
            GAP_REASON_UNSPECIFIED = 0,

            /** RETENTION value */
            RETENTION = 1,

            /** RECREATED value */
            RECREATED = 2,

            /** REWRITTEN value */
            REWRITTEN = 3,

            /** REPARTITIONED value */
            REPARTITIONED = 4,

            /** COMPACTED value */
            COMPACTED = 5,

            /** BUDGET value */
            BUDGET = 6,

            /** UNNAMED value */
            UNNAMED = 7,

            /** TTL value */
            TTL = 8,

            /** LATEST value */
            LATEST = 9,

            /** COLLAPSED value */
            COLLAPSED = 10,

            /** CORRUPT value */
            CORRUPT = 11,

            /** UNSUPPORTED value */
            UNSUPPORTED = 12
        }

        /**
         * Properties of an Unsubscribed.
         * @deprecated Use carillon.v1.Unsubscribed.$Properties instead.
         */
        interface IUnsubscribed extends carillon.v1.Unsubscribed.$Properties {
        }

        /** Represents an Unsubscribed. */
        class Unsubscribed {

            /**
             * Constructs a new Unsubscribed.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Unsubscribed.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Unsubscribed ref. */
            ref: number;

            /**
             * Encodes the specified Unsubscribed message. Does not implicitly {@link carillon.v1.Unsubscribed.verify|verify} messages.
             * @param message Unsubscribed message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Unsubscribed.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Unsubscribed message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Unsubscribed & carillon.v1.Unsubscribed.$Shape} Unsubscribed
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Unsubscribed & carillon.v1.Unsubscribed.$Shape;
        }

        namespace Unsubscribed {

            /** Properties of an Unsubscribed. */
            interface $Properties {

                /** Unsubscribed ref */
                ref?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Unsubscribed. */
            type $Shape = carillon.v1.Unsubscribed.$Properties;
        }

        /**
         * Properties of a Pong.
         * @deprecated Use carillon.v1.Pong.$Properties instead.
         */
        interface IPong extends carillon.v1.Pong.$Properties {
        }

        /** Represents a Pong. */
        class Pong {

            /**
             * Constructs a new Pong.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Pong.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Pong t. */
            t: number;

            /** Pong nowUs. */
            nowUs: number;

            /** Pong after. */
            after: string;

            /**
             * Encodes the specified Pong message. Does not implicitly {@link carillon.v1.Pong.verify|verify} messages.
             * @param message Pong message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Pong.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Pong message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Pong & carillon.v1.Pong.$Shape} Pong
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Pong & carillon.v1.Pong.$Shape;
        }

        namespace Pong {

            /** Properties of a Pong. */
            interface $Properties {

                /** Pong t */
                t?: (number|null);

                /** Pong nowUs */
                nowUs?: (number|null);

                /** Pong after */
                after?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Pong. */
            type $Shape = carillon.v1.Pong.$Properties;
        }

        /**
         * Properties of an Error.
         * @deprecated Use carillon.v1.Error.$Properties instead.
         */
        interface IError extends carillon.v1.Error.$Properties {
        }

        /** Represents an Error. */
        class Error {

            /**
             * Constructs a new Error.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Error.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Error ref. */
            ref: number;

            /** Error code. */
            code: string;

            /** Error message. */
            message: string;

            /** Error retryAfterMs. */
            retryAfterMs: number;

            /** Error retry. */
            retry: carillon.v1.Retry;

            /**
             * Encodes the specified Error message. Does not implicitly {@link carillon.v1.Error.verify|verify} messages.
             * @param message Error message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Error.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an Error message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Error & carillon.v1.Error.$Shape} Error
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Error & carillon.v1.Error.$Shape;
        }

        namespace Error {

            /** Properties of an Error. */
            interface $Properties {

                /** Error ref */
                ref?: (number|null);

                /** Error code */
                code?: (string|null);

                /** Error message */
                message?: (string|null);

                /** Error retryAfterMs */
                retryAfterMs?: (number|null);

                /** Error retry */
                retry?: (carillon.v1.Retry|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an Error. */
            type $Shape = carillon.v1.Error.$Properties;
        }

        /** Retry enum. */
        enum Retry {

            /** RETRY_LATER value */
            RETRY_LATER = 0,

            /** RETRY_NO value */
            RETRY_NO = 1
        }

        /**
         * Properties of a PublishRequest.
         * @deprecated Use carillon.v1.PublishRequest.$Properties instead.
         */
        interface IPublishRequest extends carillon.v1.PublishRequest.$Properties {
        }

        /** Represents a PublishRequest. */
        class PublishRequest {

            /**
             * Constructs a new PublishRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.PublishRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PublishRequest events. */
            events: carillon.v1.Event.$Properties[];

            /**
             * Encodes the specified PublishRequest message. Does not implicitly {@link carillon.v1.PublishRequest.verify|verify} messages.
             * @param message PublishRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.PublishRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PublishRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.PublishRequest & carillon.v1.PublishRequest.$Shape} PublishRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.PublishRequest & carillon.v1.PublishRequest.$Shape;
        }

        namespace PublishRequest {

            /** Properties of a PublishRequest. */
            interface $Properties {

                /** PublishRequest events */
                events?: (carillon.v1.Event.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a PublishRequest. */
            type $Shape = carillon.v1.PublishRequest.$Properties;
        }

        /**
         * Properties of a PublishResponse.
         * @deprecated Use carillon.v1.PublishResponse.$Properties instead.
         */
        interface IPublishResponse extends carillon.v1.PublishResponse.$Properties {
        }

        /** Represents a PublishResponse. */
        class PublishResponse {

            /**
             * Constructs a new PublishResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.PublishResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** PublishResponse results. */
            results: carillon.v1.Published.$Properties[];

            /**
             * Encodes the specified PublishResponse message. Does not implicitly {@link carillon.v1.PublishResponse.verify|verify} messages.
             * @param message PublishResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.PublishResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a PublishResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.PublishResponse & carillon.v1.PublishResponse.$Shape} PublishResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.PublishResponse & carillon.v1.PublishResponse.$Shape;
        }

        namespace PublishResponse {

            /** Properties of a PublishResponse. */
            interface $Properties {

                /** PublishResponse results */
                results?: (carillon.v1.Published.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a PublishResponse. */
            type $Shape = carillon.v1.PublishResponse.$Properties;
        }

        /**
         * Properties of a Published.
         * @deprecated Use carillon.v1.Published.$Properties instead.
         */
        interface IPublished extends carillon.v1.Published.$Properties {
        }

        /** Represents a Published. */
        class Published {

            /**
             * Constructs a new Published.
             * @param [properties] Properties to set
             */
            constructor(properties?: carillon.v1.Published.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Published after. */
            after: string;

            /** Published stream. */
            stream: string;

            /** Published partition. */
            partition: number;

            /** Published offset. */
            offset: number;

            /**
             * Encodes the specified Published message. Does not implicitly {@link carillon.v1.Published.verify|verify} messages.
             * @param message Published message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: carillon.v1.Published.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Published message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {carillon.v1.Published & carillon.v1.Published.$Shape} Published
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): carillon.v1.Published & carillon.v1.Published.$Shape;
        }

        namespace Published {

            /** Properties of a Published. */
            interface $Properties {

                /** Published after */
                after?: (string|null);

                /** Published stream */
                stream?: (string|null);

                /** Published partition */
                partition?: (number|null);

                /** Published offset */
                offset?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Published. */
            type $Shape = carillon.v1.Published.$Properties;
        }
    }
}
